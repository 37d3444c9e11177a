/*
 * Rule 9: one table of codes: every status has its number and name for ever. (That the header says for each function what it must
 * is checked by ffi/tests/header.rs.)
 */
#include "check.h"

static const struct {
    psfs_status number;
    const char *name;
} TABLE[] = {
    {0, "PSFS_OK"},
    {1, "PSFS_END"},
    {2, "PSFS_PENDING"},
    {-1, "PSFS_E_NULL"},
    {-2, "PSFS_E_BAD_INPUT"},
    {-3, "PSFS_E_UTF8"},
    {-4, "PSFS_E_PANIC"},
    {-5, "PSFS_E_FORKED"},
    {-6, "PSFS_E_CLOSED"},
    {-7, "PSFS_E_TIMEOUT"},
    {-8, "PSFS_E_CANCELLED"},
    {-9, "PSFS_E_INTERNAL"},
    {-10, "PSFS_E_IO"},
    {-11, "PSFS_E_BAD_KEY"},
    {-12, "PSFS_E_KEY_PERMISSIONS"},
    {-13, "PSFS_E_KEY_KIND"},
    {-14, "PSFS_E_PASSPHRASE"},
    {-15, "PSFS_E_DATA_DIR_IN_USE"},
    {-16, "PSFS_E_DATA_DIR"},
    {-17, "PSFS_E_DATA_DIR_VERSION"},
    {-18, "PSFS_E_BAD_ADDRESS"},
    {-19, "PSFS_E_ADDRESS_IN_USE"},
    {-20, "PSFS_E_UNREACHABLE"},
    {-21, "PSFS_E_BAD_PEER_ID"},
    {-22, "PSFS_E_UNKNOWN_PEER"},
    {-23, "PSFS_E_OWN_PEER"},
    {-24, "PSFS_E_BAD_NAMESPACE"},
    {-25, "PSFS_E_TOO_LARGE"},
    {-26, "PSFS_E_UNKNOWN_NAMESPACE"},
    {-27, "PSFS_E_REFUSED"},
    {-28, "PSFS_E_HANDLER_FAILED"},
    {-29, "PSFS_E_DISCONNECTED"},
    {-30, "PSFS_E_NO_PEERS"},
    {-31, "PSFS_E_BUSY"},
    {-32, "PSFS_E_PROTOCOL"},
    {-33, "PSFS_E_UNSUPPORTED"},
};

int main(void) {
    size_t i;
    for (i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        CHECK(strcmp(psfs_status_name(TABLE[i].number), TABLE[i].name) == 0);
    }
    CHECK(strcmp(psfs_status_name(99), "PSFS_?") == 0);
    CHECK(PSFS_E_NULL == -1 && PSFS_E_UNSUPPORTED == -33 && sizeof(psfs_status) == 4);
    CHECK(psfs_abi_version() == PSFS_ABI_VERSION);
    CHECK(strchr(psfs_version(), '.') != NULL);
    CHECK(PSFS_MESSAGE == 1 && PSFS_BROADCAST == 2 && PSFS_SEEK == 3 && PSFS_REQUEST == 4);
    return 0;
}
