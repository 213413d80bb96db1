// L1: what every operation owes its host, whatever it is about.
#include <mutex>
#include <thread>

#include "framework/model/error.hpp"
#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {
namespace {

void describes_the_same(Subject& subject) {
  if (subject.describe() != subject.describe()) throw Failed("describe does not answer twice the same");
}

// Whether the schema is closed or validate drops the field is the author's choice; that it is stored unseen is not.
void knows_every_field(Subject& subject) {
  auto spec = subject.examples().front().spec;
  spec["velocity-conformance"] = "unknown";
  try {
    const auto kept = subject.either().validate(spec, Json::object());
    if (kept.contains("velocity-conformance"))
      throw Failed("a field that the schema does not name is kept: say \"additionalProperties\": false");
  } catch (const model::Error& error) {
    if (error.code() != model::ErrorCode::request_invalid) throw;
  }
}

void has_valid_examples(Subject& subject) {
  const auto usable = subject.examples().size();
  const auto all = subject.either().info().examples.size();
  if (usable < all) throw Skipped(std::to_string(all - usable) + " of its examples name resources whose files are not given (--resource)");
}

void validates_to_what_is_valid(Subject& subject) {
  for (const auto& example : subject.examples()) {
    const auto once = subject.either().validate(example.spec, Json::object());
    if (once != example.spec)
      throw Failed("validate changes what it gave itself: " + model::dump_json(example.spec) + " becomes " + model::dump_json(once));
  }
}

const std::vector<std::string>& senseless_requests() {
  static const std::vector<std::string> requests = [] {
    std::vector<std::string> all{"",    "{",  "}",      "[]",        "null",         "7",           "\"text\"", "{}",  "{\"spec\":7}", "{\"spec\":null}", "{\"spec\":[]}",
                                 "{\"spec\":{}}",       "{\"vm\":7}", "{\"host\":[]}", "{\"old\":1,\"new\":{}}", "\xff\xfe",
                                 R"({"rid":7,"spec":{},"vm":{},"host":{},"options":[],"index":"x","path":{},"directory":1})",
                                 R"({"rid":"","spec":{},"vm":{"vmid":1,"cpu_count":"x","displays":{}},"host":{"arch":1},"resources":[]})",
                                 R"({"rid":"x","spec":{"a":99999999999999999999999},"old":{"a":1e400},"new":{},"vm":{"cpu_count":18446744073709551615}})",
                                 R"({"spec":{},"spec":{}})"};
    all.push_back("{\"spec\":" + std::string(30, '[') + std::string(30, ']') + "}");  // the server lets nothing deeper through
    all.push_back("{\"spec\":" + std::string(100000, '['));
    all.push_back("{\"spec\":{\"a\":\"" + std::string(500000, 'x') + "\"}}");
    all.push_back(std::string("{\"spec\":{\"a\":\"\0\"}}", 17));
    return all;
  }();
  return requests;
}

void survives_senseless_requests(Subject& subject) {
  for (const auto& operation : subject.operations())
    for (const auto& request : senseless_requests()) subject.call(operation, request);
}

// validate and the planning operation, by four threads at once, all with the same answer as alone.
void answers_several_at_once(Subject& subject) {
  constexpr int kThreads = 4, kRounds = 50;
  const auto example = subject.examples().front();
  const auto request = model::dump_json(subject.planning_request(example));
  const auto validation = model::dump_json({{"spec", example.spec}, {"resources", Json::object()}});
  std::vector<std::pair<Operation, Raw>> alone;
  for (const auto& operation : subject.operations()) {
    if (operation.name == "validate") alone.emplace_back(operation, subject.call(operation, validation));
    if (operation.name == "plan" || operation.name == "attach") alone.emplace_back(operation, subject.call(operation, request));
  }
  std::mutex mutex;
  std::string fault;
  const auto work = [&] {
    try {
      for (int round = 0; round < kRounds; ++round)
        for (const auto& [operation, expected] : alone) {
          const auto got = subject.call(operation, operation.name == "validate" ? validation : request);
          if (got.status != expected.status || got.text != expected.text) throw Failed(operation.name + " answers otherwise when it is called by several threads");
        }
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex);
      fault = error.what();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  if (!fault.empty()) throw Failed(fault);
}

// A request with long texts, of which the first larger allocation fails, then the second, and so on: the operation may fail, and nothing else.
void survives_the_end_of_memory(Subject& subject) {
  constexpr long kLast = 100;
  if (!can_starve()) throw Skipped("this build of velocity-plugin has a sanitizer, whose allocator never fails");
  auto long_request = subject.planning_request(subject.examples().front());
  for (const auto* field : {"velocity-conformance", "label"}) long_request["spec"][field] = std::string(100000, 'x');
  if (long_request.contains("vm")) long_request["vm"]["name"] = std::string(100000, 'x');
  const auto request = model::dump_json(long_request);
  for (const auto& operation : subject.operations())
    for (long nth = 0; nth < kLast && subject.call(operation, request, nth).starved; ++nth) {
    }
}

}  // namespace

std::vector<Check> contract_checks() {
  return {{1, "describe-stable", "describe answers the same each time", true, describes_the_same},
          {1, "fields-known", "no field is stored that the schema does not name", true, knows_every_field},
          {1, "examples-valid", "each of its examples passes validate", true, has_valid_examples},
          {1, "validate-idempotent", "what validate answers, validate leaves as it is", true, validates_to_what_is_valid},
          {1, "senseless-requests", "requests that make no sense are answered and end nothing", true, survives_senseless_requests},
          {1, "parallel-calls", "four threads at once are answered as one alone", true, answers_several_at_once},
          {1, "no-memory", "an allocation that fails fails its call, and nothing else", true, survives_the_end_of_memory}};
}

}  // namespace velocity::conformance
