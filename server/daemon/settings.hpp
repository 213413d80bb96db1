// All that can be set about the server, as values with their defaults, and the table that names each. Included by the daemon's own files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "framework/model/json.hpp"

namespace velocity::daemon {

struct Settings {
  std::string state;  // empty: default_state_directory()
  std::string ready_file;
  std::string root_password_file;
  bool reset_root_password = false;  // instead of serving; on the command line only

  std::string listen = "127.0.0.1:4567";
  std::string tls_certificate;
  std::string tls_key;
  bool trusted_proxy = false;
  std::vector<std::string> hosts;
  std::vector<std::string> origins;
  std::int64_t workers = 16;

  std::int64_t body_kib = 256;
  std::int64_t connections = 10'000;
  std::int64_t queue = 1'024;
  std::int64_t uploads = 64;
  std::int64_t upload_gib = 1'024;

  std::int64_t header_seconds = 10;
  std::int64_t body_seconds = 30;
  std::int64_t idle_seconds = 60;
  std::int64_t handler_seconds = 90;
  std::int64_t drain_seconds = 10;

  std::string hypervisor;  // empty: the embedded driver
  std::string acceleration = "auto";
  std::int64_t deadline_seconds = 30;

  std::vector<std::string> default_route_interfaces;
  std::vector<std::string> further_kinds;

  std::vector<std::string> plugin_directories;  // empty: beside the program
  std::vector<std::string> drop_in_directories;  // empty: the installation's and the administrator's plugins.d
  std::vector<std::string> disabled_plugins;
  model::Json plugin_configuration = model::Json::object();  // by the plugin's name

  std::int64_t session_hours = 24;
  std::string log_level = "info";
};

// One row: a setting under its name in the configuration file and, if it has one, its option on the command line.
struct Setting {
  using Field = std::variant<std::string Settings::*, std::int64_t Settings::*, bool Settings::*, std::vector<std::string> Settings::*>;

  const char* key;     // "http.listen": section and name in the file
  const char* option;  // "--listen", or null
  const char* value;   // what stands behind it in the help: "ADDRESS:PORT"
  const char* help;
  Field field;
  std::int64_t min = 0;  // of a number
  std::int64_t max = 0;
  std::vector<std::string> choices = {};  // of a text; empty: any
};

std::span<const Setting> all_settings();
std::filesystem::path default_state_directory();  // of the user that runs the server

}  // namespace velocity::daemon
