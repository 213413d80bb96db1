// A process that owns an embedded root, for tests that kill it: writes what its listener hears to stdout, one line each, and does what
// stdin says: "define FILE", "start ID", "destroy ID", "undefine ID". Each command is answered by "done" or "failed: …".
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>

#include "framework/libvirt/host.hpp"
#include "framework/model/names.hpp"

namespace {

using namespace velocity;

class Speaker : public libvirt::Listener {
 public:
  void connected(const std::vector<libvirt::DomainState>& domains) override {
    for (const auto& domain : domains) say("listed " + text(domain));
    say("connected");
  }
  void disconnected(const std::string& why) override { say("disconnected " + why); }
  void changed(const libvirt::DomainState& domain) override { say("changed " + text(domain)); }
  void removed(model::MachineId id) override { say("removed " + id.text()); }

  void say(const std::string& line) {
    const std::lock_guard lock(mutex_);
    std::cout << line << std::endl;
  }

 private:
  static std::string text(const libvirt::DomainState& domain) {
    return domain.id.text() + " " + std::string(model::name(domain.runtime.state));
  }
  std::mutex mutex_;
};

void obey(libvirt::Host& host, const std::string& command, const std::string& argument) {
  if (command == "define") {
    std::ifstream in(argument);
    std::ostringstream xml;
    xml << in.rdbuf();
    return host.define(xml.str());
  }
  const auto id = model::MachineId::parse(argument).value();
  if (command == "start") host.start(id);
  if (command == "destroy") host.destroy(id);
  if (command == "undefine") host.undefine(id);
}

}  // namespace

int main(int, char** arguments) {
  Speaker speaker;
  libvirt::Host host({.root = arguments[1], .acceleration = libvirt::Acceleration::tcg}, speaker);
  std::string command;
  std::string argument;
  while (std::cin >> command >> argument) {
    try {
      obey(host, command, argument);
      speaker.say("done");
    } catch (const model::Error& error) {
      speaker.say(std::string("failed: ") + error.detail());
    }
  }
}
