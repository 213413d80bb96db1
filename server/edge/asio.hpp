// The names of Asio and Beast that this room writes out. Precompiled, so every file of the room may include it and no header that
// another room sees does.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <chrono>

namespace velocity::edge {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = net::ip::tcp;
using beast::error_code;
using net::awaitable;
using Clock = std::chrono::steady_clock;

// Await into a variable, never in a condition: g++ 12 lays out the frame of a coroutine that begins with "if (!co_await …)" wrongly, and its
// first resumption jumps into nowhere.

// Every wait goes through this: errors as codes, no exceptions.
inline auto into(error_code& ec) { return net::redirect_error(net::use_awaitable, ec); }

}  // namespace velocity::edge
