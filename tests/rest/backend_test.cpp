// Pistache behind the edge: connections, large answers, and that it listens nowhere.
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/rest/rest_fixture.hpp"

namespace velocity::rest {
namespace {

class Behind : public testing::Test {
 protected:
  Behind() {
    guard_.emplace(
        sessions_, replies_, test::silent_log(),
        std::vector<Route>{
            {Method::get, "/echo", Credential::none, "", "", [](Request& request) { return Answer::json(request.fields); }, {}, kFromMemory},
            {Method::put, "/v/:type", Credential::none, "", "", [](Request& request) { return Answer::text(request.path.at("type")); },
             [](const std::string& type) { return type == "efi"; }},
            {Method::get, "/large", Credential::none, "", "", [](Request&) { return Answer::text(std::string(3'000'000, 'x')); }},
            {Method::get, "/throw", Credential::none, "", "", [](Request&) -> Answer { throw 42; }}});
    backend_.emplace(*guard_, BackendSettings{4});
  }

  test::TemporaryDirectory directory_;
  store::Database database_{directory_ / "velocity.db"};
  service::Inventory inventory_{database_};
  service::Passwords passwords_{test::kCheap};
  service::Sessions sessions_{inventory_, passwords_, 3600};
  service::Replies replies_{inventory_};
  std::optional<Guard> guard_;
  std::optional<PistacheBackend> backend_;
};

TEST_F(Behind, NothingOfThisProcessListens) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int listening = 0;
    socklen_t length = sizeof listening;
    if (::getsockopt(std::stoi(entry.path().filename()), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0) {
      EXPECT_EQ(listening, 0);
    }
  }
}

TEST_F(Behind, ReadersAnswerWhatTheRouteSaysIsInMemory) {
  EXPECT_EQ(backend_->readers(), 2U);
  EXPECT_TRUE(backend_->from_memory("/echo"));
  EXPECT_FALSE(backend_->from_memory("/large"));
  EXPECT_FALSE(backend_->from_memory("/v/:type"));
  EXPECT_FALSE(backend_->from_memory("/nothing"));
}

TEST_F(Behind, EveryWorkerAnswersOverItsOwnConnectionWithTheRequestsNumber) {
  ASSERT_EQ(backend_->workers(), 6U) << "four, and two readers";
  for (std::size_t worker = 0; worker < 6; ++worker) {
    test::WorkerClient client(*backend_, worker);
    for (int i = 0; i < 3; ++i) {
      const auto response = client.ask("GET", "/echo?a=" + std::to_string(i));
      EXPECT_EQ(response.status, 200);
      EXPECT_EQ(response.json().at("a"), std::to_string(i));
    }
  }
}

TEST_F(Behind, ALargeAnswerPassesInMemoryAndOnce) {
  test::WorkerClient client(*backend_, 1);
  const auto response = client.ask("GET", "/large");
  EXPECT_EQ(response.headers.at("X-Edge-Number"), "1;body");
  EXPECT_EQ(response.body.size(), 3'000'000U);
  EXPECT_EQ(backend_->take_body("1"), "");
}

TEST_F(Behind, AnUnknownPathIs404AndAThrownNumber500OnAConnectionThatLivesOn) {
  test::WorkerClient client(*backend_, 0);
  EXPECT_EQ(client.ask("GET", "/nothing").status, 404);
  EXPECT_EQ(client.ask("DELETE", "/").status, 404);
  EXPECT_EQ(client.ask("GET", "/throw").status, 500);
  EXPECT_EQ(client.ask("GET", "/echo").status, 200);
}

TEST_F(Behind, AParameterThatNamesNothingIs404AndOneThatDoesIs405) {
  test::WorkerClient client(*backend_, 0);
  EXPECT_EQ(client.ask("PUT", "/v/efi").body, "efi");
  EXPECT_EQ(client.ask("GET", "/v/nothing").status, 404);
  const auto response = client.ask("GET", "/v/efi");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.at("Allow"), "PUT");
}

TEST_F(Behind, EveryMethodOfEveryPathHasAnAnswerOfOurs) {
  test::WorkerClient client(*backend_, 0);
  for (const auto* path : {"/echo", "/v/efi", "/large", "/throw", "/nothing"})
    for (const auto* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
      EXPECT_NO_THROW(client.ask(method, path)) << method << ' ' << path;
}

TEST_F(Behind, ConnectionsThatComeAndGoDisturbNoAnswer) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < 4; ++worker)
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 50; ++i) {
        test::WorkerClient client(*backend_, worker);
        const auto text = std::to_string(worker) + "-" + std::to_string(i);
        if (client.ask("GET", "/echo?a=" + text).json().at("a") != text) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace velocity::rest
