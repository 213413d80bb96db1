#include "server/daemon/config.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <CLI/CLI.hpp>

namespace velocity::daemon {
namespace {

constexpr std::string_view kPluginTables = "plugins.configuration";

// A value before it has found its field: what one option or one line of the file said.
using Value = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

std::string_view name_of(std::string_view key) { return key.substr(key.find('.') + 1); }

[[noreturn]] void refuse_unknown(const std::string& key) {
  const auto settings = all_settings();
  const auto nearest = std::min_element(settings.begin(), settings.end(), [&](const Setting& a, const Setting& b) {
    const auto distance = [&](const Setting& s) {
      return std::min(edit_distance(key, s.key), edit_distance(name_of(key), name_of(s.key)));
    };
    return distance(a) < distance(b);
  });
  throw ConfigError(fmt::format("there is no setting {}; did you mean {}? --print-config shows all", key, nearest->key));
}

// A setting under every name that its writer may have used.
std::string names_of(const Setting& setting) { return setting.option ? fmt::format("{} ({})", setting.key, setting.option) : setting.key; }

std::int64_t whole_number(const Setting& setting, const std::string& text) {
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size())
    throw ConfigError(fmt::format("{} must be a whole number", names_of(setting)));
  return number;
}

// Puts what was said into the field that the row names, if it is of its kind and within its bounds.
struct Assign {
  Settings& settings;
  const Setting& setting;
  const Value& value;

  void operator()(std::string Settings::*field) const {
    const auto* text = std::get_if<std::string>(&value);
    if (!text) throw ConfigError(fmt::format("{} must be a text", names_of(setting)));
    const auto& choices = setting.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), *text) == choices.end())
      throw ConfigError(fmt::format("{} must be one of {}", names_of(setting), fmt::join(choices, ", ")));
    settings.*field = *text;
  }
  void operator()(std::int64_t Settings::*field) const {
    const auto* number = std::get_if<std::int64_t>(&value);
    const auto* text = std::get_if<std::string>(&value);
    if (!number && !text) throw ConfigError(fmt::format("{} must be a whole number", names_of(setting)));
    const auto wanted = number ? *number : whole_number(setting, *text);
    if (wanted < setting.min || wanted > setting.max)
      throw ConfigError(fmt::format("{} must be from {} to {}", names_of(setting), setting.min, setting.max));
    settings.*field = wanted;
  }
  void operator()(bool Settings::*field) const {
    const auto* truth = std::get_if<bool>(&value);
    if (!truth) throw ConfigError(fmt::format("{} must be true or false", names_of(setting)));
    settings.*field = *truth;
  }
  void operator()(std::vector<std::string> Settings::*field) const {
    const auto* list = std::get_if<std::vector<std::string>>(&value);
    if (!list) throw ConfigError(fmt::format("{} must be a list of texts", names_of(setting)));
    settings.*field = *list;
  }
};

void assign(Settings& settings, const Setting& setting, const Value& value) { std::visit(Assign{settings, setting, value}, setting.field); }

Value value_of(const Setting& setting, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* truth = node.as_boolean()) return truth->get();
  std::vector<std::string> list;
  const auto* array = node.as_array();
  if (!array) throw ConfigError(fmt::format("{} is of a kind that no setting has", setting.key));
  for (const auto& entry : *array) {
    const auto* text = entry.as_string();
    if (!text) throw ConfigError(fmt::format("{} must be a list of texts", names_of(setting)));
    list.push_back(text->get());
  }
  return list;
}

void load_table(Settings& settings, const toml::table& table, const std::string& prefix) {
  for (const auto& [name, node] : table) {
    const auto key = prefix + std::string(name.str());
    if (key == kPluginTables) {
      const auto* plugins = node.as_table();
      if (!plugins || !std::all_of(plugins->begin(), plugins->end(), [](const auto& entry) { return entry.second.is_table(); }))
        throw ConfigError(fmt::format("{} must have one table for each plugin", key));
      std::ostringstream json;
      json << toml::json_formatter(*plugins);
      settings.plugin_configuration = model::parse_json(json.str());
      continue;
    }
    const auto rows = all_settings();
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Setting& setting) { return key == setting.key; });
    if (row != rows.end()) assign(settings, *row, value_of(*row, node));
    else if (node.is_table() && prefix.empty()) load_table(settings, *node.as_table(), key + ".");
    else refuse_unknown(key);
  }
}

std::string quoted(const std::string& text) { return model::dump_json(text); }  // a JSON string is a TOML basic string

std::string inline_toml(const model::Json& value) {
  std::vector<std::string> entries;
  if (value.is_object()) {
    for (const auto& [name, entry] : value.items()) entries.push_back(quoted(name) + " = " + inline_toml(entry));
    return fmt::format("{{ {} }}", fmt::join(entries, ", "));
  }
  if (!value.is_array()) return model::dump_json(value);
  for (const auto& entry : value) entries.push_back(inline_toml(entry));
  return fmt::format("[{}]", fmt::join(entries, ", "));
}

std::string text_of(const Settings& settings, const Setting& setting) {
  struct Show {
    const Settings& settings;
    std::string operator()(std::string Settings::*field) const { return quoted(settings.*field); }
    std::string operator()(std::int64_t Settings::*field) const { return std::to_string(settings.*field); }
    std::string operator()(bool Settings::*field) const { return settings.*field ? "true" : "false"; }
    std::string operator()(std::vector<std::string> Settings::*field) const {
      std::vector<std::string> entries;
      for (const auto& entry : settings.*field) entries.push_back(quoted(entry));
      return fmt::format("[{}]", fmt::join(entries, ", "));
    }
  };
  return std::visit(Show{settings}, setting.field);
}

}  // namespace

void load_file(Settings& settings, const std::filesystem::path& file) {
  if (std::error_code failed; std::filesystem::is_directory(file, failed)) throw ConfigError(fmt::format("{}: a directory is no configuration file", file.string()));
  if (!std::ifstream(file)) throw ConfigError(fmt::format("{}: the configuration file cannot be read: {}", file.string(), std::strerror(errno)));
  try {
    load_table(settings, toml::parse_file(file.string()), "");
  } catch (const toml::parse_error& error) {
    throw ConfigError(fmt::format("{}:{}: {}", file.string(), error.source().begin.line, error.description()));
  } catch (const std::runtime_error& error) {
    throw ConfigError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

std::string print_configuration(const Settings& settings) {
  std::string text = "# Every setting of velocityd, as it is now.\n";
  std::string_view section;
  for (const auto& setting : all_settings()) {
    const std::string_view key = setting.key;
    if (const auto begins = key.substr(0, key.find('.')); begins != section) {
      section = begins;
      text += fmt::format("\n[{}]\n", section);
    }
    text += fmt::format("# {}{}\n{} = {}\n", setting.help, setting.option ? fmt::format("; on the command line {}", setting.option) : "",
                        name_of(key), text_of(settings, setting));
  }
  for (const auto& [plugin, values] : settings.plugin_configuration.items()) {
    text += fmt::format("\n[{}.{}]\n", kPluginTables, quoted(plugin));
    for (const auto& [name, value] : values.items()) text += fmt::format("{} = {}\n", quoted(name), inline_toml(value));
  }
  return text;
}

std::optional<Settings> read_configuration(int argc, const char* const* argv, const std::string& version, std::string& text) {
  CLI::App app("velocityd: a server for virtual machines whose types are plugins", "velocityd");
  app.footer("Everything else is set in the configuration file: velocityd --print-config > velocity.toml");
  std::vector<std::pair<const Setting*, std::vector<std::string>>> given;
  for (const auto& setting : all_settings()) {
    if (!setting.option) continue;
    auto* option = app.add_option_function<std::vector<std::string>>(
        setting.option, [&given, &setting](const std::vector<std::string>& values) { given.emplace_back(&setting, values); }, setting.help);
    option->type_name(setting.value)->allow_extra_args(false);
    if (std::holds_alternative<std::vector<std::string> Settings::*>(setting.field)) option->take_all();
    else option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  std::string file;
  app.add_option("--config", file, "a configuration file, in TOML")->type_name("FILE");
  bool print = false;
  app.add_flag("--print-config", print, "show every setting as it would be used, and end");
  bool reset = false;
  app.add_flag("--reset-root-password", reset, "set root's password anew, while the server is stopped, and end");
  app.set_version_flag("--version", "velocityd " + version);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    text = app.help();
    return std::nullopt;
  } catch (const CLI::CallForVersion&) {
    text = "velocityd " + version + "\n";
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + ". See velocityd --help");
  }

  Settings settings;
  if (!file.empty()) load_file(settings, file);
  for (const auto& [setting, values] : given) {
    if (std::holds_alternative<std::vector<std::string> Settings::*>(setting->field)) assign(settings, *setting, values);
    else assign(settings, *setting, values.back());
  }
  settings.reset_root_password = reset;
  if (settings.state.empty()) settings.state = default_state_directory().string();
  if (settings.tls_certificate.empty() != settings.tls_key.empty())
    throw ConfigError("http.tls_certificate and http.tls_key are given together or not at all");
  if (print) {
    text = print_configuration(settings);
    return std::nullopt;
  }
  return settings;
}

}  // namespace velocity::daemon
