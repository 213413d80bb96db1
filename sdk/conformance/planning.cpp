// L2: what a type does with its host, tried on a mock one.
#include <pugixml.hpp>

#include <algorithm>
#include <set>

#include "framework/libvirt/domain_xml.hpp"
#include "framework/model/error.hpp"
#include "sdk/conformance/planning.hpp"
#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {

libvirt::DomainParts domain_parts(Subject& subject, const Example& example, const libvirt::HostFacts& facts) {
  const auto request = subject.planning_request(
      example, {{"arch", facts.arch}, {"acceleration", facts.acceleration}, {"domain_type", facts.domain_type}, {"privileged", true}});
  libvirt::DomainParts parts;
  parts.id = *model::MachineId::parse(request.at("vm").at("vmid").get_ref<const std::string&>());
  parts.title = "example";
  parts.cpu_count = 1;
  parts.memory_mb = 128;
  parts.nvram = "/state/nvram/example.fd";
  parts.console_log = "/state/log/example.log";
  parts.run_directory = "/state/run";
  parts.guarding = libvirt::guarding_of(facts);
  const auto origin = subject.either().info().plugin;
  for (const auto& [field, resource] : example.resources.items()) parts.allowed_files.insert(resource.at("path").get<std::string>());
  if (subject.is_vm()) {
    const std::filesystem::path directory(request.at("vm").at("directory").get<std::string>());
    auto planned = subject.vm().plan(request);
    for (const auto& file : planned.files)
      (std::holds_alternative<plugin::IsoImage>(file.content) ? parts.allowed_files : parts.allowed_configurations).insert(directory / file.name);
    for (auto& [section, xml] : planned.fragments) parts.fragments.push_back({section, xml, origin});
    return parts;
  }
  const auto* plain = facts.domain_type == "test" ? "<os><type>hvm</type></os>" : "<os><type arch='x86_64' machine='q35'>hvm</type></os>";
  parts.fragments = {{"os", plain, "conformance"}};
  parts.allowed_files.insert(request.at("path").get<std::string>());
  parts.allowed_directories.insert(request.at("directory").get<std::string>());
  if (const auto named = example.spec.find("interface"); named != example.spec.end() && named->is_string()) parts.allowed_interfaces.insert(named->get<std::string>());
  for (auto& [section, xml] : subject.resource().attach(request)) parts.fragments.push_back({section, xml, origin, true});
  return parts;
}

namespace {

libvirt::HostFacts emulating_facts() { return {"x86_64", "qemu", "tcg", "", "/usr/bin/qemu-system-x86_64", true}; }

std::string text_of(const std::vector<plugin::PlanFragment>& fragments) {
  std::string text;
  for (const auto& [section, xml] : fragments) text += section + '\n' + xml + '\n';
  return text;
}

void is_deterministic(Subject& subject) {
  for (const auto& example : subject.examples()) {
    const auto request = subject.planning_request(example);
    if (text_of(subject.planned(request)) != text_of(subject.planned(request))) throw Failed("the same request has two answers");
  }
}

void append_shape(const pugi::xml_node& node, std::string& shape) {
  for (const auto& child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) continue;
    shape += std::string("(") + child.name();
    for (const auto& attribute : child.attributes()) shape += std::string(" ") + attribute.name();
    append_shape(child, shape);
    shape += ')';
  }
}

// The elements and attributes of what is planned, without their values.
std::string shape_of(const std::vector<plugin::PlanFragment>& fragments) {
  std::string shape;
  for (const auto& [section, xml] : fragments) {
    pugi::xml_document document;
    if (const auto parsed = document.load_string(("<fragment>" + xml + "</fragment>").c_str(), pugi::parse_full); !parsed)
      throw Failed("its " + section + " is no XML: " + parsed.description() + ": " + xml.substr(0, 200));
    shape += section;
    append_shape(document.first_child(), shape);
  }
  return shape;
}

// Every place in the value where a text of the plugin's own words need not stand, by JSON pointer.
void find_texts(const Json& value, const Json::json_pointer& at, std::vector<Json::json_pointer>& found) {
  if (value.is_string()) found.push_back(at);
  if (value.is_object())
    for (const auto& [name, entry] : value.items()) find_texts(entry, at / name, found);
  if (value.is_array())
    for (std::size_t i = 0; i < value.size(); ++i) find_texts(value[i], at / i, found);
}

// A text in the request that is markup changes values of the plan and never its structure. The plugin may refuse it.
void resists_markup(Subject& subject) {
  for (const auto& example : subject.examples()) {
    const auto plain = subject.planning_request(example);
    std::vector<Json::json_pointer> places;
    for (const auto* part : {"vm", "spec", "options", "resources", "rid", "path", "directory"})
      if (plain.contains(part)) find_texts(plain.at(part), Json::json_pointer(std::string("/") + part), places);
    for (const auto& place : places)
      for (const auto* markup : {"\"/><seclabel type='none'/><x y=\"", "'/><seclabel type='none'/><x y='", "</os><seclabel/>", "]]><x/>", "&lt;&amp;&#0;", "<!--", "\x01"}) {
        auto harmless = plain, hostile = plain;
        const auto kept = plain.at(place).get<std::string>();
        harmless[place] = kept + "x";
        hostile[place] = kept + markup;
        try {
          const auto got = shape_of(subject.planned(hostile));
          if (got != shape_of(subject.planned(harmless))) throw Failed("markup in " + place.to_string() + " becomes markup of the plan");
        } catch (const model::Error&) {  // it refuses the text
        }
      }
  }
}

void is_accepted_by_the_server(Subject& subject) {
  for (const auto& example : subject.examples()) libvirt::domain_xml(domain_parts(subject, example, emulating_facts()), emulating_facts());
}

void makes_and_removes_twice(Subject& subject) {
  if (subject.is_vm() || !subject.offers("create")) throw Skipped("it does not offer create");
  for (const auto& example : subject.examples()) {
    subject.host.asked.clear();
    const auto rid = subject.planning_request(example).at("rid");
    const Json making{{"rid", rid}, {"spec", example.spec}, {"resources", example.resources}}, removing{{"rid", rid}, {"spec", example.spec}};
    subject.resource().create(making);
    const auto first = subject.host.asked;
    subject.host.asked.clear();
    subject.resource().create(making);
    if (subject.host.asked != first) throw Failed("create does something else the second time: after a crash it is called again");
    subject.resource().remove(removing);
    subject.resource().remove(removing);
    for (const auto& [service, request] : first)
      if (request.value("rid", Json()) != rid && service != "host.interfaces") throw Failed(service + " is asked for another resource than the one being made");
  }
}

// A service that fails, as when the server is stopped or has no room: the operation says so and does not go on.
void passes_a_failure_on(Subject& subject) {
  if (subject.is_vm() || !subject.offers("create")) throw Skipped("it does not offer create");
  const auto example = subject.examples().front();
  const Json making{{"rid", subject.planning_request(example).at("rid")}, {"spec", example.spec}, {"resources", example.resources}};
  subject.host.refusing = true;
  bool failed = false;
  try {
    subject.resource().create(making);
  } catch (const model::Error&) {
    failed = true;
  }
  if (subject.host.asked.empty()) throw Skipped("its create asks the host for nothing");
  if (!failed) throw Failed("create answers that all is well although the host has failed");
  if (subject.host.asked.size() > 1) throw Failed("create goes on after a service has failed");
}

// The lesser operations, through the server's own checks of their replies.
void answers_what_it_offers(Subject& subject) {
  subject.either().host_check(emulating_host());
  for (const auto& example : subject.examples()) {
    if (subject.is_vm()) {
      for (const auto& path : subject.vm().live_changes(example.spec, example.spec))
        if (path.empty() || path.front() != '/') throw Failed("update names what is no path: " + path);
      continue;
    }
    const auto& type = subject.resource();
    const auto request = subject.planning_request(example);
    const Json looking{{"rid", request.at("rid")}, {"spec", example.spec}, {"directory", request.at("directory")}};
    type.cost(example.spec);
    if (type.inspect(looking) != type.inspect(looking)) throw Failed("inspect does not answer twice the same");
    if (subject.offers("alter")) try {
        type.alter({{"rid", request.at("rid")}, {"old", example.spec}, {"new", example.spec}});
      } catch (const model::Error& error) {
        if (error.code() != model::ErrorCode::request_invalid) throw;
      }
    std::set<std::string> ids;
    for (const auto& item : type.enumerate(emulating_host()))
      if (!ids.insert(item.id).second) throw Failed("enumerate gives the id " + item.id + " twice");
  }
}

}  // namespace

std::vector<Check> planning_checks() {
  return {{2, "deterministic", "the same request is planned the same each time", true, is_deterministic},
          {2, "markup", "markup in a text does not become markup of the plan", true, resists_markup},
          {2, "fragments", "the server accepts what is planned: elements, attributes and files", true, is_accepted_by_the_server},
          {2, "twice", "create and remove can be called again", true, makes_and_removes_twice},
          {2, "failure", "a service that fails fails the call", true, passes_a_failure_on},
          {2, "answers", "the other operations answer as the contract says", true, answers_what_it_offers}};
}

}  // namespace velocity::conformance
