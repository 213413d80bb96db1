// Clients that die while their answers are on the way: nobody ever reads another's.
#include <atomic>
#include <random>
#include <thread>

#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

class ResetTest : public EdgeTest {};

TEST_F(ResetTest, EveryAnswerBelongsToItsRequestWhateverHappensToOthers) {
  const auto port = start(4, [](const Asked& asked) {
    const auto tag = asked.line.substr(0, asked.line.rfind(' '));
    std::this_thread::sleep_for(std::chrono::microseconds(std::hash<std::string>{}(tag) % 400));
    return answer(asked, tag + std::string(std::hash<std::string>{}(tag) % 3000, '.'));
  });
  constexpr int kThreads = 8;
  constexpr int kRequests = 600;
  std::atomic<int> answered{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < kThreads; ++client)
    clients.emplace_back([&, client] {
      std::mt19937 random(static_cast<unsigned>(client));
      auto wire = std::make_unique<Wire>(port);
      for (int i = 0; i < kRequests; ++i) {
        const auto target = "/c/" + std::to_string(client) + "/" + std::to_string(i);
        wire->send(get(target));
        if (random() % 2) {
          wire->reset();
          wire = std::make_unique<Wire>(port);
          continue;
        }
        const auto received = wire->receive();
        ++answered;
        if (!received || received->status != 200 || received->body.rfind("GET " + target, 0) != 0 ||
            received->body.find_first_not_of('.', 4 + target.size()) != std::string::npos)
          ++wrong;
      }
    });
  for (auto& client : clients) client.join();
  EXPECT_GT(answered.load(), kThreads * kRequests / 3);
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(workers->connections(), 4U) << "no worker's connection was replaced";
}

}  // namespace
}  // namespace velocity::edge::testing
