// See watch.hpp.
#include "watch.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "tech_renaissance/exception.h"

#ifdef __linux__
#include <sys/inotify.h>
#endif
#ifdef _WIN32
#include <windows.h>
#else
#include <poll.h>
#include <unistd.h>
#endif

namespace tr {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How often to look where nothing tells of changes: often after something happened, then seldom.
constexpr milliseconds poll_min(32);
constexpr milliseconds poll_max(1024);
constexpr int poll_share = 8;

// Where events tell, look as often all the same: one may get lost.
constexpr milliseconds again(1000);

// How often to look for the end of a process where nothing tells of it.
constexpr milliseconds process_again(50);

Descriptor open_inotify() {
#ifdef __linux__
    const char* polling = std::getenv("TR_POLLING");
    if (polling != nullptr && *polling != '\0') return {};
    return Descriptor(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));  // none are left, at worst
#else
    return {};
#endif
}

}  // namespace

Watch::Watch(const std::string& path, bool in_place) : path_(path), inotify_(open_inotify()) {
    if (!look_out(in_place)) throw SystemError(path_, {errno, std::generic_category()});
}

void Watch::expect(bool in_place) {
    look_out(in_place);  // a directory that is gone is noticed by whoever looks there
}

bool Watch::look_out([[maybe_unused]] bool in_place) noexcept {
#ifdef __linux__
    if (!inotify_) return true;
    const std::uint32_t mask = IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                               (in_place ? IN_CLOSE_WRITE | IN_DELETE : 0U);
    if (inotify_add_watch(inotify_.get(), path_.c_str(), mask) >= 0) return true;
    if (errno != ENOSPC) return false;
    inotify_.close();  // so many watches are used up
#endif
    return true;
}

bool Watch::wait(std::optional<std::chrono::nanoseconds> timeout) {
    milliseconds limit = again;
    if (!inotify_) {
        // No fixed sequence: two that wait for each other would look in turns for ever.
        const auto passed = steady_clock::now() - reset_at_;
        limit = std::clamp(std::chrono::duration_cast<milliseconds>(passed / poll_share), poll_min,
                           poll_max);
    }
    if (process_ == -1) limit = std::min(limit, process_again);
    if (timeout) limit = std::min(limit, std::chrono::ceil<milliseconds>(*timeout));
    limit = std::max(limit, milliseconds(0));
#ifdef _WIN32
    if (process_ == -1) {
        std::this_thread::sleep_for(limit);
    } else {
        WaitForSingleObject(reinterpret_cast<HANDLE>(process_), static_cast<DWORD>(limit.count()));
    }
    return true;
#else
    pollfd waits[] = {{inotify_ ? inotify_.get() : -1, POLLIN, 0},
                      {static_cast<int>(process_), POLLIN, 0}};
    const int events = poll(waits, 2, static_cast<int>(limit.count()));
    return events != 1 || waits[0].revents == 0;
#endif
}

void Watch::drain() noexcept {
#ifdef __linux__
    if (!inotify_) return;
    alignas(inotify_event) char events[4096];
    while (read(inotify_.get(), events, sizeof events) == sizeof events) continue;
#endif
}

}  // namespace tr
