/*
 * A libpsfs that is older than the header: a clear error, not a crash. scripts/test-cpp runs this with a library that has
 * nothing but psfs_abi_version, 0, and psfs_version.
 */
#include "psfs.hpp"

#include <cstring>

template <class F>
static bool refuses(F &&function) {
    try {
        (void)function();
    } catch (const psfs::wrong_library &failure) {
        std::printf("%s. %s\n", failure.what(), failure.hint());
        return std::strstr(failure.what(), "interface 0") && failure.code() == psfs::status::unsupported && *failure.hint();
    }
    return false;
}

int main() {
    const bool all = refuses([] { return psfs::check_version(), 0; }) && refuses([] { return psfs::config(); }) &&
                     refuses([] { return psfs::identity::generate(); }) &&
                     refuses([] { return psfs::identity::load("key.pem"); });
    return all ? 0 : 1;
}
