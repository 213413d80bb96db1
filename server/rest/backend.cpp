#include "server/rest/backend.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pistache/endpoint.h>
#include <pistache/peer.h>
#include <pistache/router.h>

#include "server/edge/forwarded.hpp"

namespace velocity::rest {
namespace {

namespace http = Pistache::Http;
namespace tcp = Pistache::Tcp;

// Pistache busy-waits and copies the rest again at every EAGAIN: larger answers pass in memory.
constexpr std::size_t kMaxInlineBody = 16 * 1024;
constexpr std::chrono::seconds kPatience{5};
// Only the edge connects, and it never closes with a request outstanding: Pistache's own timers would only do harm.
constexpr std::chrono::hours kNever{24 * 365 * 10};

constexpr std::array<std::pair<Method, http::Method>, 6> kMethods{{
    {Method::get, http::Method::Get},
    {Method::post, http::Method::Post},
    {Method::put, http::Method::Put},
    {Method::patch, http::Method::Patch},
    {Method::remove, http::Method::Delete},
    {Method::options, http::Method::Options},
}};

// Pistache sends the headers that have a class, and silently no others.
template <const auto& header_name>
class TextHeader : public http::Header::Header {
 public:
  static constexpr const char* Name = header_name;
  static constexpr std::uint64_t Hash = http::Header::detail::hash(header_name);
  TextHeader() = default;
  explicit TextHeader(std::string value) : value_(std::move(value)) {}
  const char* name() const override { return Name; }
  std::uint64_t hash() const override { return Hash; }
  void parse(const std::string& text) override { value_ = text; }
  void write(std::ostream& stream) const override { stream << value_; }

 private:
  std::string value_;
};

constexpr char kTypeName[] = "Content-Type";
constexpr char kAllowName[] = "Allow";
constexpr char kRetryName[] = "Retry-After";
constexpr char kAuthenticateName[] = "WWW-Authenticate";

void add_header(http::Header::Collection& headers, const std::string& name, const std::string& value) {
  if (name == kAllowHeader) headers.add<TextHeader<kAllowName>>(value);
  else if (name == kRetryAfterHeader) headers.add<TextHeader<kRetryName>>(value);
  else if (name == kAuthenticateHeader) headers.add<TextHeader<kAuthenticateName>>(value);
  else throw std::logic_error("no class for the header " + name);
}

edge::Forwarded forwarded(const http::Request& request) {
  const auto header = request.headers().tryGetRaw(edge::kForwardedHeader);
  return edge::read_forwarded(header ? header->value() : std::string());
}

// Bodies on their way around the socket, by request number.
class Bodies {
 public:
  void put(const std::string& number, std::string body) {
    const std::lock_guard lock(mutex_);
    bodies_[number] = std::move(body);
  }
  std::string take(const std::string& number) {
    const std::lock_guard lock(mutex_);
    auto node = bodies_.extract(number);
    return node ? std::move(node.mapped()) : std::string();
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::string> bodies_;
};

// Pistache clones its handler once for each worker thread, and a clone knows its thread's transport: that is how a worker is given
// a connection of ours. What comes through the listener, in the moment before it is closed, is turned away.
class Gate : public Pistache::Rest::Private::RouterHandler {
 public:
  using tag = http::details::prototype_tag;
  Gate(const Pistache::Rest::Router& router, std::size_t readers)
      : RouterHandler(router), readers_(readers), clones_(std::make_shared<std::vector<std::weak_ptr<Gate>>>()) {}

  std::shared_ptr<tcp::Handler> clone() const override {
    auto copy = std::make_shared<Gate>(*this);
    clones_->push_back(copy);
    return copy;
  }

  std::size_t workers() const { return clones_->size(); }

  // A worker's thread has published itself once it answers a question for its load; a connection given before would be lost.
  bool wait_until_ready(std::size_t worker) const {
    const auto gate = clones_->at(worker).lock();
    if (!gate) return false;
    auto answered = std::make_shared<std::promise<void>>();
    gate->transport()->load().then([answered](const rusage&) { answered->set_value(); }, Pistache::Async::IgnoreException);
    return answered->get_future().wait_for(kPatience) == std::future_status::ready;
  }

  int connect(std::size_t worker) const {
    const auto gate = clones_->at(worker).lock();
    std::array<int, 2> ends{-1, -1};
    if (!gate || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
      throw std::runtime_error("no connection to a REST worker can be made");
    auto peer = tcp::Peer::Create(ends[1], Pistache::Address("127.0.0.1", Pistache::Port(1)));
    peer->putData(kOurs, std::make_shared<bool>(worker < readers_));
    gate->transport()->handleNewPeer(peer);
    return ends[0];
  }

 private:
  static constexpr const char* kOurs = "from the edge";

  // On a reader's thread. It does not interrupt the edge at the moment in which that wakes it: the edge goes on with what else has arrived,
  // and the reader then finds several requests at once (sched(7)). A reader starts nothing that would inherit this.
  static void give_way() {
    constexpr sched_param kNone{};
    ::sched_setscheduler(0, SCHED_BATCH, &kNone);  // where it is refused all works, only slower
  }

  void onConnection(const std::shared_ptr<tcp::Peer>& peer) override {
    peer->putData(ParserData, std::make_shared<http::RequestParser>(getMaxRequestSize()));
    if (const auto from_a_reader = peer->tryGetData(kOurs)) {
      if (*std::static_pointer_cast<bool>(from_a_reader)) give_way();
      return;
    }
    ::shutdown(peer->fd(), SHUT_RDWR);
    std::array<char, 4096> sink{};
    while (::recv(peer->fd(), sink.data(), sink.size(), MSG_DONTWAIT) > 0) continue;
  }

  std::size_t readers_;
  std::shared_ptr<std::vector<std::weak_ptr<Gate>>> clones_;
};

// The port that a socket of this process listens on, in host order; 0: it does not listen on IPv4.
std::uint16_t listening_port(int fd) {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0) return 0;
  sockaddr_in address{};
  length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 || address.sin_family != AF_INET) return 0;
  return ntohs(address.sin_port);
}

std::vector<int> open_files() {
  std::vector<int> files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    files.push_back(std::stoi(entry.path().filename().string()));
  return files;
}

// The endpoint insists on a listening socket. With the null device in its place the port is free and the poller has forgotten it. But a
// child that libvirt forks at this moment shares the socket until it executes something: so the pollers are told to forget it first, and
// it stops listening for all that share it. Otherwise Pistache would hear of a connection and accept it from the null device.
bool silence_listener(std::uint16_t port) {
  for (const int fd : open_files()) {
    if (listening_port(fd) != port) continue;
    for (const int poller : open_files()) ::epoll_ctl(poller, EPOLL_CTL_DEL, fd, nullptr);  // an error where it is no poller, or not its
    ::shutdown(fd, SHUT_RDWR);
    const int null_device = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const bool replaced = null_device >= 0 && ::dup3(null_device, fd, O_CLOEXEC) == fd;
    ::close(null_device);
    return replaced;
  }
  return false;
}

bool anybody_listens_on(std::uint16_t port) {
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = ::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(client);
  return connected;
}

// Asks over a worker's connection for a path that does not exist, and looks for our own number in the answer.
bool answers(int connection) {
  static constexpr std::string_view kQuestion =
      "GET /is-anybody-there HTTP/1.1\r\nConnection: Keep-Alive\r\nX-Edge: proof\r\n\r\n";
  if (::write(connection, kQuestion.data(), kQuestion.size()) != static_cast<ssize_t>(kQuestion.size())) return false;
  std::string answer;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (answer.find("X-Edge-Number: proof") == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd ready{connection, POLLIN, 0};
    std::array<char, 4096> bytes{};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return false;
    const auto count = ::read(connection, bytes.data(), bytes.size());
    if (count <= 0) return false;
    answer.append(bytes.data(), static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

struct PistacheBackend::Engine {
  Engine(const Guard& guard_to_run, const BackendSettings& settings)
      : guard(guard_to_run), readers(static_cast<std::size_t>(settings.readers)), endpoint(Pistache::Address("127.0.0.1", Pistache::Port(0))), gate(std::make_shared<Gate>(make_router(), readers)) {
    endpoint.init(http::Endpoint::options()
                      .threads(settings.readers + settings.workers)
                      .threadsName("rest")
                      .maxRequestSize(settings.max_request_bytes)
                      .flags(tcp::Options::NoDelay | tcp::Options::CloseOnExec)
                      .headerTimeout(kNever)
                      .bodyTimeout(kNever)
                      .keepaliveTimeout(kNever));
    endpoint.setHandler(gate);
    endpoint.serveThreaded();
    try {
      prove(settings);
    } catch (...) {
      endpoint.shutdown();
      throw;
    }
  }
  ~Engine() { endpoint.shutdown(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void prove(const BackendSettings& settings) const {
    const std::uint16_t port = endpoint.getPort();
    if (!silence_listener(port) || anybody_listens_on(port))
      throw std::runtime_error("the listening socket of this Pistache cannot be closed: clients could reach it without the edge");
    if (gate->workers() != static_cast<std::size_t>(settings.readers + settings.workers))
      throw std::runtime_error("this Pistache does not clone its handler once for each worker: requests cannot be handed to it");
    for (std::size_t worker = 0; worker < gate->workers(); ++worker) {
      if (!gate->wait_until_ready(worker)) throw std::runtime_error("a REST worker does not start");
      const int connection = gate->connect(worker);
      const bool proven = answers(connection);
      ::close(connection);
      if (!proven)
        throw std::runtime_error("a REST worker does not answer over its socket pair: this Pistache differs from the one we know");
    }
  }

  // Every pattern for every method: the router inserts into its map, without a lock, when a method has no routes.
  Pistache::Rest::Router make_router() {
    Pistache::Rest::Router router;
    for (const auto& [path, offer] : guard.offers()) {
      const auto read_route = offer.find(Method::get);
      if (read_route != offer.end() && read_route->second.from_memory) read_paths.insert(path);
      for (const auto& [method, pistache_method] : kMethods)
        router.addRoute(pistache_method, path,
                        [this, &offer = offer, method = method, names = parameters_of(path)](const auto& request, auto writer) {
                          auto about = forwarded(request);
                          auto incoming = read(request, about, method);
                          for (const auto& name : names)
                            if (request.hasParam(":" + name)) incoming.path[name] = request.param(":" + name).template as<std::string>();
                          return reply(about.number, std::move(writer), guard.answer(offer, std::move(incoming)));
                        });
    }
    router.addNotFoundHandler([this](const auto& request, auto writer) {
      auto about = forwarded(request);
      return reply(about.number, std::move(writer), guard.unknown_path(read(request, about, Method::get)));
    });
    return router;
  }

  static Incoming read(const http::Request& request, edge::Forwarded& about, Method method) {
    Incoming incoming;
    incoming.method = method;
    incoming.id = std::move(about.id);
    incoming.peer = std::move(about.peer);
    incoming.content_type = std::move(about.content_type);
    incoming.authorization = std::move(about.authorization);
    incoming.idempotency_key = std::move(about.idempotency_key);
    incoming.query = std::move(about.query);
    incoming.body = request.body();
    return incoming;
  }

  static std::vector<std::string> parameters_of(const std::string& path) {
    std::vector<std::string> names;
    for (auto colon = path.find("/:"); colon != std::string::npos; colon = path.find("/:", colon + 1))
      names.push_back(path.substr(colon + 2, path.find('/', colon + 1) - colon - 2));
    return names;
  }

  // Exactly one answer, sent before the handler returns. Nothing may leave it as an exception: Pistache would tell the client.
  Pistache::Rest::Route::Result reply(const std::string& number, http::ResponseWriter writer, Answer answer) noexcept {
    try {
      const bool around = answer.body.size() > kMaxInlineBody;
      writer.headers().add<TextHeader<edge::kRequestNumberHeader>>(around ? number + ";body" : number);
      if (!answer.type.empty()) writer.headers().add<TextHeader<kTypeName>>(answer.type);
      for (const auto& [name, value] : answer.headers) add_header(writer.headers(), name, value);
      if (around) {
        bodies.put(number, std::move(answer.body));
        answer.body.clear();
      }
      writer.send(static_cast<http::Code>(answer.status), answer.body);
      return Pistache::Rest::Route::Result::Ok;
    } catch (...) {  // the edge sees a worker that does not answer, and says 504
      return Pistache::Rest::Route::Result::Failure;
    }
  }

  const Guard& guard;
  const std::size_t readers;
  std::set<std::string, std::less<>> read_paths;  // what the readers answer
  Bodies bodies;
  http::Endpoint endpoint;
  std::shared_ptr<Gate> gate;
};

PistacheBackend::PistacheBackend(const Guard& guard, const BackendSettings& settings)
    : engine_(std::make_unique<Engine>(guard, settings)) {}
PistacheBackend::~PistacheBackend() = default;

std::size_t PistacheBackend::readers() const { return engine_->readers; }
bool PistacheBackend::from_memory(std::string_view path) const { return engine_->read_paths.count(path) > 0; }
std::size_t PistacheBackend::workers() const { return engine_->gate->workers(); }
int PistacheBackend::connect(std::size_t worker) { return engine_->gate->connect(worker); }
std::string PistacheBackend::take_body(const std::string& number) { return engine_->bodies.take(number); }

}  // namespace velocity::rest
