// What takes longer than its answer may, and what is refused because the same is being done twice already. The work is kept waiting by
// holding the machines' turns, so nothing here waits for a clock.
#include <gtest/gtest.h>

#include <future>

#include <fmt/format.h>

#include "server/edge/server.hpp"
#include "tests/edge/wire.hpp"
#include "tests/rest/rest_fixture.hpp"

namespace velocity::rest {
namespace {

using edge::testing::Received;
using std::chrono::milliseconds;

constexpr milliseconds kShort{200};
constexpr milliseconds kLong{30'000};

class LateAnswers : public testing::Test {
 protected:
  LateAnswers() {
    catalog_ = house().catalogs.create(root(), model::kRootGroup, "c");
    // What is left half-done is for the test, not for the recovery's first round.
    for (int i = 0; i < 1000 && house().recovery.rounds() == 0; ++i) std::this_thread::sleep_for(milliseconds(10));
  }
  ~LateAnswers() override {
    edge_.reset();  // what is late ends first
    house().catalogs.remove(root(), catalog_);
  }

  test::House& house() { return rest_.house; }
  service::Caller root() { return house().caller("root"); }

  void serve(milliseconds handler) {
    edge::EdgeSettings settings;
    settings.listen = "127.0.0.1:0";
    settings.timeouts.handler = handler;
    settings.access_log = test::silent_log();
    edge_ = std::make_unique<edge::EdgeServer>(settings, backend_);
  }
  Received ask(const std::string& method, const std::string& path, const Json& body) {
    const auto text = body.dump();
    const auto answer = edge::testing::ask(
        edge_->port(), fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                                   method, path, rest_.authkey, text.size(), text));
    return answer.value_or(Received{});
  }

  model::ResourceId disk(const std::string& label) { return house().resources.create(root(), "disk-image", model::kRootGroup, label, {{"size_mb", 1}})->id; }
  model::MachineId machine(const std::string& name) {
    model::Machine wanted;
    wanted.name = name;
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.cpu_count = 1;
    wanted.memory_mb = 64;
    wanted.storage = {{disk("disk of " + name), Json::object()}};
    return house().machines.create(root(), wanted).id;
  }
  Json clone_of(model::MachineId id, const std::string& name) { return {{"vmid", id.text()}, {"name", name}, {"catalog", catalog_.text()}}; }

  template <class Check>
  bool eventually(Check check) {
    for (int i = 0; i < 3000 && !check(); ++i) std::this_thread::sleep_for(milliseconds(10));
    return check();
  }

  // Three at once, of three machines that are kept from it: the one that is refused, and what becomes of the others when they may.
  void third_is_refused(const std::string& path, const std::function<Json(model::MachineId, int)>& body) {
    serve(kLong);
    std::vector<model::MachineId> machines;
    for (int i = 0; i < 3; ++i) machines.push_back(machine(fmt::format("m{}", i)));
    std::vector<service::Turns::Turn> held;
    for (const auto& id : machines) held.push_back(house().turns.take(id.uuid()));
    std::vector<std::future<Received>> answers;
    for (int i = 0; i < 3; ++i) answers.push_back(std::async(std::launch::async, [&, i] { return ask("PUT", path, body(machines[static_cast<std::size_t>(i)], i)); }));
    const auto is_ready = [](const auto& answer) { return answer.wait_for(milliseconds(0)) == std::future_status::ready; };
    ASSERT_TRUE(eventually([&] { return std::any_of(answers.begin(), answers.end(), is_ready); }));
    EXPECT_EQ(std::count_if(answers.begin(), answers.end(), is_ready), 1);
    held.clear();
    std::map<int, int> statuses;
    for (auto& answer : answers) {
      const auto received = answer.get();
      ++statuses[received.status];
      if (received.status != 503) continue;
      EXPECT_EQ(received.code(), "server.busy");
      EXPECT_TRUE(received.fields.contains("retry-after"));
    }
    EXPECT_EQ(statuses, (std::map<int, int>{{200, 2}, {503, 1}}));
  }

  test::RestHouse rest_;
  PistacheBackend backend_{rest_.guard, {6}};
  std::unique_ptr<edge::EdgeServer> edge_;
  model::CatalogId catalog_;
};

// covers: PUT /v/clone 504
TEST_F(LateAnswers, ACloneThatTakesLongerThanItsAnswerMayIsThereWhenItIsDone) {
  serve(kShort);
  const auto source = machine("source");
  {
    const auto held = house().turns.take(source.uuid());
    const auto answer = ask("PUT", "/v/clone", clone_of(source, "copy"));
    EXPECT_EQ(answer.status, 504);
    EXPECT_EQ(answer.code(), "server.timeout");
  }
  const auto made = [&] {
    const auto picture = house().inventory.picture();
    const auto id = picture->machine_names.find({catalog_, "copy"});
    return id && picture->machines.find(*id)->phase == model::Phase::ready;
  };
  ASSERT_TRUE(eventually(made));
  const auto picture = house().inventory.picture();
  const auto copy = picture->machines.find(*picture->machine_names.find({catalog_, "copy"}));
  ASSERT_EQ(copy->storage.size(), 1U);
  EXPECT_TRUE(house().volumes.exists(copy->storage[0].resource));
}

// covers: PUT /r/<type> 504
TEST_F(LateAnswers, ADiskThatTakesLongerToCopyThanItsAnswerMayIsThereWhenItIsDone) {
  serve(kShort);
  const auto user = machine("user");
  const auto source = house().inventory.picture()->machines.find(user)->storage.at(0).resource;
  {
    const auto held = house().turns.take(user.uuid());
    EXPECT_EQ(ask("PUT", "/r/disk-image", {{"group", 0}, {"label", "copy"}, {"source", source.text()}}).status, 504);
  }
  const auto made = [&] {
    const auto picture = house().inventory.picture();
    const auto id = picture->resource_labels.find({model::kRootGroup, "copy"});
    return id && picture->resources.find(*id)->phase == model::Phase::ready && house().volumes.exists(*id);
  };
  EXPECT_TRUE(eventually(made));
}

// covers: PUT /v/clone 503
TEST_F(LateAnswers, AThirdCloneAtOnceIsRefusedAndTheOthersAreMade) {
  third_is_refused("/v/clone", [this](model::MachineId id, int i) { return clone_of(id, fmt::format("copy {}", i)); });
}

// covers: PUT /v/snapshot 503
TEST_F(LateAnswers, AThirdSnapshotAtOnceIsRefusedAndTheOthersAreTaken) {
  third_is_refused("/v/snapshot", [](model::MachineId id, int) { return Json{{"vmid", id.text()}, {"name", "s"}}; });
}

TEST_F(LateAnswers, AGrowthThatIsBegunIsShown) {
  const auto id = disk("growing");
  house().inventory.change([&](service::Change& change) {
    auto row = *change.picture().resources.find(id);
    row.altering = row.spec;
    row.altering["size_mb"] = 4;
    change.put(row);
  });
  serve(kLong);
  const auto shown = Json::parse(ask("GET", "/r", {{"rid", id.text()}}).body);
  EXPECT_EQ(shown.value("altering", Json()), (Json{{"size_mb", 4}}));
  EXPECT_EQ(shown.value("size_mb", Json()), 1);
  house().resource_changes.finish_all();
  ASSERT_TRUE(eventually([&] { return house().inventory.picture()->resources.find(id)->altering.is_null(); }));
  const auto done = Json::parse(ask("GET", "/r", {{"rid", id.text()}}).body);
  EXPECT_FALSE(done.contains("altering"));
  EXPECT_EQ(done.at("size_mb"), 4);
}

// A machine that was seen running, on a hypervisor that is away by now.
class LostHypervisor : public testing::Test {
 protected:
  LostHypervisor() {
    house_.accounts.create_root("a long password");
    authkey_ = house_.sessions.sign_in("root", "a long password", "127.0.0.1").authkey;
    for (int i = 0; i < 1000 && house_.host.why_disconnected().empty(); ++i) std::this_thread::sleep_for(milliseconds(10));
    disk_.id = model::ResourceId::random();
    disk_.kind = model::ResourceKind::storage;
    disk_.type = "disk-image";
    disk_.label = "disk";
    disk_.group = model::kRootGroup;
    disk_.spec = {{"size_mb", 1}, {"format", "qcow2"}};
    disk_.phase = model::Phase::ready;
    machine_.id = model::MachineId::random();
    machine_.name = "m";
    machine_.catalog = house_.catalogs.create(house_.caller("root"), model::kRootGroup, "c");
    machine_.type = "efi";
    machine_.memory_mb = 64;
    machine_.displays = {{"screen", 640, 480}};
    machine_.storage = {{disk_.id, Json::object()}};
    machine_.phase = model::Phase::ready;
    house_.inventory.change([&](service::Change& change) {
      change.put(disk_);
      change.put(machine_);
    });
  }
  // That it is lost has been told by now, and is told once.
  void seem_connected() {
    std::this_thread::sleep_for(milliseconds(200));
    house_.inventory.observe_all({{machine_.id, {model::MachineState::RUNNING, {}}}});
  }
  test::Response ask(const std::string& method, const std::string& target, const Json& body) {
    return client_.ask(method, target, body.dump(), test::with_authkey(authkey_));
  }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state", "test:///does/not/exist.xml"};
  Guard guard_{house_.sessions, house_.replies, test::silent_log(), all_routes(house_.services, {"0", "1", "1.0", [] { return Json(nullptr); }})};
  PistacheBackend backend_{guard_, {2}};
  test::WorkerClient client_{backend_, 0};
  std::string authkey_;
  model::Resource disk_;
  model::Machine machine_;
};

// covers: POST /r 503
TEST_F(LostHypervisor, AGrowthIsRefusedAndNotMadeLater) {
  const auto refused = ask("POST", "/r", {{"rid", disk_.id.text()}, {"size_mb", 2}});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.json().at("code"), "hypervisor.unavailable");
  EXPECT_TRUE(house_.inventory.picture()->resources.find(disk_.id)->altering.is_null());
}

TEST_F(LostHypervisor, AGrowthThatIsLostOnTheWayIsToldToBeBegunAndShown) {
  seem_connected();
  const auto lost = ask("POST", "/r", {{"rid", disk_.id.text()}, {"size_mb", 2}});
  EXPECT_EQ(lost.status, 503);
  EXPECT_NE(lost.json().at("message").get<std::string>().find("`altering`"), std::string::npos) << lost.body;
  EXPECT_EQ(ask("GET", "/r", {{"rid", disk_.id.text()}}).json().at("altering"), (Json{{"size_mb", 2}}));
}

// covers: GET /v/screenshot 503
// covers: GET /v/stats 503
TEST_F(LostHypervisor, WhatAGuestShowsIsNotKnown) {
  seem_connected();
  EXPECT_EQ(ask("GET", "/v/stats", {{"vmid", machine_.id.text()}}).status, 503);
  EXPECT_EQ(ask("GET", "/v/screenshot", {{"vmid", machine_.id.text()}, {"display", 0}}).status, 503);
}

}  // namespace
}  // namespace velocity::rest
