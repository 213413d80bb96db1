// A virtual machine: what it should be (Machine, in the database) and what it is (Runtime, observed). Included by the store,
// the services and the libvirt room.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "framework/model/phase.hpp"
#include "framework/model/uuid.hpp"

namespace velocity::model {

enum class MachineState { STOPPED, STARTING, RUNNING, PAUSING, PAUSED, RESUMING, STOPPING };

struct Display {
  std::string description;
  int width = 1024;   // px
  int height = 768;   // px
};

// A resource in a machine's list of storage devices or NICs; `options` holds what the request said beside the id, for
// example {"bus": "sata", "readonly": true}.
struct Attachment {
  ResourceId resource;
  nlohmann::json options = nlohmann::json::object();
};

struct Machine {
  MachineId id;
  std::string name;  // unique in its catalog
  CatalogId catalog;
  std::string type;    // a plugin's VM type, for example efi
  std::string plugin;  // the plugin that brought the type: named when it is gone
  int cpu_count = 1;
  int memory_mb = 0;  // MiB
  std::vector<Display> displays;
  std::vector<Attachment> storage;
  std::vector<Attachment> nics;
  std::map<std::string, ResourceId> parts;  // the resources that the type's own fields name: kernel, bootloader
  bool autostart = false;
  bool rosetta = false;
  nlohmann::json spec = nlohmann::json::object();  // the type's own fields, as its plugin normalised them
  std::int64_t created = 0;                        // Unix seconds
  Phase phase = Phase::ready;
  nlohmann::json altering = nullptr;  // the journal: what is needed to finish or take back an alteration under way; null when there is none
};

// A machine as it was at one moment. While it is not `ready`, its row is the journal's entry for taking or removing it.
struct Snapshot {
  SnapshotId id;          // what it is called on disk
  MachineId machine;
  std::string name;       // unique in its machine
  bool memory = false;    // taken of a running machine, with its memory
  nlohmann::json row = nlohmann::json::object();  // what the machine was made of
  std::int64_t created = 0;                       // Unix seconds
  Phase phase = Phase::ready;
};

// Never stored: what the hypervisor last said.
struct Runtime {
  MachineState state = MachineState::STOPPED;
  std::string cause;  // why it is in this state, for example "shutdown", "crashed"; empty when there is nothing to say
};

}  // namespace velocity::model
