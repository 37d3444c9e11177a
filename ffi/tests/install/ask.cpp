// A program as somebody else has it: two satellites, of which one asks the other.
#include <psfs.hpp>

#include <iostream>

static psfs::satellite satellite() {
    auto made = psfs::satellite::make(psfs::config().rendezvous("installed").add_listen("127.0.0.1:0").mdns(false));
    made.on(psfs::packet::request, "question", [](const psfs::event &) { return "an answer"; });
    made.start();
    return made;
}

int main() {
    auto from = satellite(), to = satellite();
    const std::string peer = from.connect(to.addresses().at(0));
    std::string answer;
    for (const psfs::reply &reply : from.request(peer, "question")) answer += reply.text();
    std::cout << "libpsfs " << psfs::version() << ": " << answer << '\n';
    return answer == "an answer" ? 0 : 1;
}
