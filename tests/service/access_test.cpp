#include "framework/service/access.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "framework/model/error.hpp"
#include "framework/model/names.hpp"
#include "tests/service/house.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::Gid;
using model::Permission;
using model::Permissions;
using model::Uid;

constexpr Gid kOwners{10};
constexpr Gid kRed{11};
constexpr Gid kBlue{12};

Caller caller_in(std::set<Gid> groups) {
  return Caller(std::make_shared<model::User>(model::User{Uid{7}, "u", "", Gid{99}, std::move(groups)}));
}

std::optional<ErrorCode> outcome(const std::function<void()>& work) {
  try {
    work();
    return std::nullopt;
  } catch (const model::Error& error) {
    return error.code();
  }
}

// What the contract says, without the code: the union of what one's groups were given; nothing at all is "not there".
std::optional<ErrorCode> expected(std::uint8_t bits, Permission needed) {
  if (bits == 0) return ErrorCode::catalog_not_found;
  return (bits >> static_cast<int>(needed)) & 1 ? std::nullopt : std::optional(ErrorCode::catalog_denied);
}

TEST(Access, EveryPairOfSharesGivesTheirUnionAndNothingElse) {
  const auto both = caller_in({kRed, kBlue});
  const auto red_only = caller_in({kRed});
  Picture picture;
  const auto id = model::CatalogId::random();
  int wrong = 0;
  for (int red = 0; red < 128; ++red)
    for (int blue = 0; blue < 128; ++blue) {
      picture.catalogs.set(id, {id, "c", kOwners, {{kRed, Permissions(static_cast<std::uint8_t>(red))}, {kBlue, Permissions(static_cast<std::uint8_t>(blue))}}, model::Phase::ready});
      for (const auto& [permission, text] : model::names<Permission>()) {
        if (outcome([&] { Access(picture, both).catalog(id, permission); }) != expected(static_cast<std::uint8_t>(red | blue), permission)) ++wrong;
        if (outcome([&] { Access(picture, red_only).catalog(id, permission); }) != expected(static_cast<std::uint8_t>(red), permission)) ++wrong;
      }
    }
  EXPECT_EQ(wrong, 0);
}

TEST(Access, TheOwningGroupAndRootHoldEverything) {
  Picture picture;
  const auto id = model::CatalogId::random();
  picture.catalogs.set(id, {id, "c", kOwners, {}, model::Phase::ready});
  for (const auto& [permission, text] : model::names<Permission>()) {
    EXPECT_EQ(outcome([&] { Access(picture, caller_in({kOwners})).catalog(id, permission); }), std::nullopt) << text;
    EXPECT_EQ(outcome([&] { Access(picture, caller_in({model::kRootGroup})).catalog(id, permission); }), std::nullopt) << text;
    EXPECT_EQ(outcome([&] { Access(picture, caller_in({})).catalog(id, permission); }), ErrorCode::catalog_not_found) << text;
  }
}

TEST(Access, WhatIsHalfMadeOrHalfGoneIsNotThereEvenForRoot) {
  Picture picture;
  const auto id = model::CatalogId::random();
  for (const auto phase : {model::Phase::creating, model::Phase::deleting}) {
    picture.catalogs.set(id, {id, "c", kOwners, {}, phase});
    EXPECT_EQ(outcome([&] { Access(picture, caller_in({model::kRootGroup})).catalog(id); }), ErrorCode::catalog_not_found);
  }
}

TEST(Access, ForeignAndAbsentAreAnsweredWithTheSameWords) {
  Picture picture;
  const auto id = model::CatalogId::random();
  const auto stranger = caller_in({kRed});
  const auto words = [&] {
    try {
      Access(picture, stranger).catalog(id);
    } catch (const model::Error& error) {
      return error.message();
    }
    return std::string("visible");
  };
  const auto absent = words();
  picture.catalogs.set(id, {id, "c", kOwners, {}, model::Phase::ready});
  EXPECT_EQ(words(), absent);
}

// Sharing, through the service and the database: allowed exactly when one may manage and holds what one gives.
TEST(Sharing, NobodyGivesWhatItDoesNotHold) {
  const test::TemporaryDirectory directory;
  test::House house(directory / "state");
  house.accounts.create_root("root-password");
  const auto root = house.caller("root");
  const auto owners = house.accounts.create_group(root, "owners").gid;
  const auto sharer = house.accounts.create_user(root, "sharer", "password-1", {});
  const auto target = house.accounts.create_group(root, "target").gid;
  const auto catalog = house.catalogs.create(root, owners, "c");
  int wrong = 0;
  for (int held = 0; held < 128; ++held) {
    house.catalogs.share(root, catalog, {sharer.own_group, Permissions(static_cast<std::uint8_t>(held))});
    for (int given = 0; given < 128; given += held % 16 == 0 ? 1 : 9) {
      const auto result = outcome([&] { house.catalogs.share(house.caller("sharer"), catalog, {target, Permissions(static_cast<std::uint8_t>(given))}); });
      std::optional<ErrorCode> wanted;
      if (held == 0) wanted = ErrorCode::catalog_not_found;
      else if ((held & 1) == 0 || (given & ~held) != 0) wanted = ErrorCode::catalog_denied;
      if (result != wanted) ++wrong;
    }
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace velocity::service
