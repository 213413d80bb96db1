// Requests that may come again: what a crash makes of their answers, and how many are kept.
#include "framework/service/replies.hpp"

#include <gtest/gtest.h>

#include "framework/service/snapshots.hpp"
#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using nlohmann::json;
using test::refusal;

constexpr int kPending = 0;

class RepliesTest : public testing::Test {
 protected:
  RepliesTest() {
    house_.accounts.create_root("root-password");
    house_.accounts.create_user(house_.caller("root"), "alice", "password-1", {});
    catalog_ = house_.catalogs.create(house_.caller("root"), house_.caller("alice").user().own_group, "c");
    house_.host.facts();
  }
  ~RepliesTest() override { house_.catalogs.remove(house_.caller("root"), catalog_); }

  model::Reply request(const std::string& key) {
    model::Reply reply;
    reply.uid = house_.caller("alice").uid();
    reply.key = key;
    reply.request = fingerprint(key);
    reply.created = static_cast<std::int64_t>(std::time(nullptr));
    return reply;
  }
  model::Reply answered(const std::string& key, int status, const std::string& body) {
    auto reply = request(key);
    reply.status = status;
    reply.body = body;
    return reply;
  }
  Caller asking(const model::Reply& request) {
    auto caller = house_.caller("alice");
    caller.set_request(std::make_shared<const model::Reply>(request));
    return caller;
  }
  model::MachineId machine() {
    model::Machine wanted;
    wanted.name = "m";
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.cpu_count = 1;
    wanted.memory_mb = 64;
    return house_.machines.create(house_.caller("alice"), wanted).id;
  }
  bool kept(const std::string& key) { return house_.inventory.picture()->replies.find({house_.caller("alice").uid(), key}) != nullptr; }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
};

TEST_F(RepliesTest, OfASnapshotThatACrashCutShortTheRetryIsDone) {
  const auto id = machine();
  house_.inventory.change([&](Change& change) { change.put(answered("k", kPending, json{{"vmid", id.text()}, {"name", "s"}, {"created", 1}, {"memory", false}}.dump())); });
  EXPECT_FALSE(Replies(house_.inventory).begin(request("k")));
}

TEST_F(RepliesTest, OfASnapshotThatWasTakenBeforeACrashTheRetryIsToldSo) {
  const auto id = machine();
  const auto snapshot = house_.snapshots.take(asking(request("k")), id, "s");
  const auto reply = Replies(house_.inventory).begin(request("k"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(json::parse(reply->body), (json{{"vmid", id.text()}, {"name", "s"}, {"created", snapshot->created}, {"memory", false}}));
}

TEST_F(RepliesTest, ALaterSnapshotOfTheSameNameIsNotTheOneThatWasAskedFor) {
  const auto id = machine();
  house_.snapshots.take(house_.caller("alice"), id, "s");
  house_.inventory.change([&](Change& change) { change.put(answered("k", kPending, json{{"vmid", id.text()}, {"name", "s"}, {"created", 1}, {"memory", false}}.dump())); });
  EXPECT_FALSE(Replies(house_.inventory).begin(request("k")));
}

TEST_F(RepliesTest, WhatIsJournalledOfAUserIsTheWholeAnswer) {
  auto root = house_.caller("root");
  auto note = request("k");
  note.uid = root.uid();
  root.set_request(std::make_shared<const model::Reply>(note));
  const auto user = house_.accounts.create_user(root, "bob", "password-1", {model::kCatalogManagers});
  const auto reply = house_.inventory.picture()->replies.find({root.uid(), "k"});
  ASSERT_TRUE(reply);
  EXPECT_EQ(json::parse(reply->body), (json{{"uid", model::number(user.uid)}, {"username", "bob"}, {"groups", {2, model::number(user.own_group)}}}));
}

TEST_F(RepliesTest, WhatIsJournalledOfAMachineHasItsWarnings) {
  model::Machine wanted;
  wanted.name = "m";
  wanted.catalog = catalog_;
  wanted.type = "efi";
  wanted.memory_mb = 64;
  wanted.rosetta = true;
  const auto created = house_.machines.create(asking(request("k")), wanted);
  const auto reply = Replies(house_.inventory).begin(request("k"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(json::parse(reply->body), (json{{"vmid", created.id.text()}, {"warnings", created.warnings}}));
}

TEST_F(RepliesTest, AreBoundedForEachUserRefusalsGoFirstThenTheOldest) {
  house_.inventory.change([&](Change& change) {
    for (std::size_t i = 0; i < Replies::kMost; ++i) {
      auto reply = answered("k" + std::to_string(i), i == 7 ? 404 : 200, "{}");
      reply.created = static_cast<std::int64_t>(i);
      change.put(reply);
    }
  });
  EXPECT_FALSE(house_.replies.begin(request("one")));
  house_.replies.end(answered("one", 200, "{}"));
  EXPECT_FALSE(kept("k7"));
  EXPECT_TRUE(kept("k0"));
  EXPECT_FALSE(house_.replies.begin(request("two")));
  EXPECT_FALSE(kept("k0"));
  EXPECT_TRUE(kept("k1"));
  EXPECT_EQ(house_.inventory.picture()->replies.size(), Replies::kMost);
}

TEST_F(RepliesTest, ALongAnswerIsNotKept) {
  EXPECT_FALSE(house_.replies.begin(request("k")));
  house_.replies.end(answered("k", 400, std::string(100'000, 'x')));
  EXPECT_FALSE(kept("k"));
}

TEST_F(RepliesTest, AnAnswerThatCannotBeWrittenDownIsToldAllTheSameAndWrittenLater) {
  EXPECT_FALSE(house_.replies.begin(request("k")));
  {
    store::Database other(house_.state.database());
    const store::Transaction holds(other);
    EXPECT_NO_THROW(house_.replies.end(answered("k", 200, R"({"a":1})")));
    const auto again = house_.replies.begin(request("k"));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->body, R"({"a":1})");
  }
  house_.replies.expire();
  EXPECT_EQ(house_.inventory.picture()->replies.find({house_.caller("alice").uid(), "k"})->status, 200);
}

TEST_F(RepliesTest, AFailureThatCouldNotBeForgottenDoesNotKeepTheRetryFromBeingDone) {
  EXPECT_FALSE(house_.replies.begin(request("k")));
  {
    store::Database other(house_.state.database());
    const store::Transaction holds(other);
    house_.replies.end(answered("k", 507, "{}"));
  }
  EXPECT_FALSE(house_.replies.begin(request("k")));
  EXPECT_EQ(refusal([&] { house_.replies.begin(request("k")); }), ErrorCode::request_in_progress);
}

}  // namespace
}  // namespace velocity::service
