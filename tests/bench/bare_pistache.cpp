// The yardstick for reads: a Pistache server with one route and nothing around it. Prints its port, and serves until its input ends.
// tests/bench/bench.py runs it beside velocityd with the same load.
#include <pistache/endpoint.h>
#include <pistache/router.h>

#include <cstdlib>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  Pistache::Rest::Router router;
  Pistache::Rest::Routes::Get(router, "/v/state", [](const Pistache::Rest::Request&, Pistache::Http::ResponseWriter response) {
    response.send(Pistache::Http::Code::Ok, R"({"state":"RUNNING","vmid":"2de02519-c347-432c-9923-3753c3538e02"})", MIME(Application, Json));
    return Pistache::Rest::Route::Result::Ok;
  });
  Pistache::Http::Endpoint endpoint(Pistache::Address(Pistache::Ipv4::loopback(), Pistache::Port(0)));
  endpoint.init(Pistache::Http::Endpoint::options().threads(threads).flags(Pistache::Tcp::Options::ReuseAddr));
  endpoint.setHandler(router.handler());
  endpoint.serveThreaded();
  std::cout << endpoint.getPort() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  endpoint.shutdown();
}
