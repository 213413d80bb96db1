// A network namespace of the test's own, with whatever links it makes in it. As an ordinary user it is made inside a user namespace.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace velocity::network {

// Each test is a process of its own under ctest; run by hand, one test's namespace is left behind for the next one's.
class NamespaceTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto user = ::geteuid(), group = ::getegid();
    if (::unshare(user == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) GTEST_SKIP() << "this host lets nobody make network namespaces";
    if (user != 0) {
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
      std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
    }
    ip("link set lo up");
  }

  static void ip(const std::string& arguments) { ASSERT_EQ(std::system(("/usr/sbin/ip " + arguments).c_str()), 0) << arguments; }
};

}  // namespace velocity::network
