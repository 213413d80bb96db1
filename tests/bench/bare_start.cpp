// The yardstick for starting a guest: virDomainCreate of a domain that is defined already, with nothing around it.
// usage: bare_start EMBED-ROOT UUID TIMES. Prints the milliseconds of each start. The server that owns the root must not run meanwhile.
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

namespace {

[[noreturn]] void fail(const char* what) {
  const auto* error = virGetLastError();
  std::cerr << what << ": " << (error && error->message ? error->message : "?") << "\n";
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  if (virEventRegisterDefaultImpl() < 0) fail("event loop");
  std::thread([] {
    while (virEventRunDefaultImpl() == 0) {
    }
  }).detach();
  const auto connection = virConnectOpen(("qemu:///embed?root=" + std::string(argv[1])).c_str());
  if (!connection) fail("open");
  const auto domain = virDomainLookupByUUIDString(connection, argv[2]);
  if (!domain) fail("lookup");
  for (int i = 0; i < std::atoi(argv[3]); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (virDomainCreate(domain) < 0) fail("create");
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
    std::cout << taken.count() << std::endl;
    if (virDomainDestroy(domain) < 0) fail("destroy");
  }
  virDomainFree(domain);
  virConnectClose(connection);
  std::cout.flush();
  std::_Exit(0);  // the event loop's thread does not end by itself
}
