// A Host over libvirt's embedded driver and one real guest. libvirt allows one embedded root a process, so all tests share it.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {

class Embedded : public testing::Test {
 protected:
  Embedded() : parts_(tiny_machine(directory().path())) { connect(); }
  ~Embedded() override {
    try {
      if (!host_) connect();
      host_->destroy(parts_.id);
      host_->undefine(parts_.id);
    } catch (const model::Error&) {  // was never defined
    }
  }

  static const TemporaryDirectory& directory() {
    static const TemporaryDirectory shared;
    return shared;
  }
  static std::filesystem::path root() { return directory().path() / "root"; }

  void connect() {
    diary_.forget();
    host_ = std::make_unique<Host>(HostSettings{.root = root(), .run_directory = directory().path(), .acceleration = Acceleration::tcg},
                                   diary_);
    if (!diary_.hears("connected")) throw std::runtime_error(host_->why_disconnected());
  }
  void define() { host_->define(domain_xml(parts_, host_->facts())); }
  void start() {
    define();
    host_->start(parts_.id);
  }
  bool prints(const std::string& text) {
    return eventually(20s, [&] { return read_file(parts_.console_log).find(text) != std::string::npos; });
  }
  bool hears(const std::string& state, std::chrono::milliseconds limit = 10s) {
    return diary_.hears("changed " + parts_.id.text() + " " + state, limit);
  }

  Diary diary_;
  DomainParts parts_;
  std::unique_ptr<Host> host_;
};

}  // namespace velocity::libvirt
