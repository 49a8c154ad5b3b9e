// Wait until something happens in a directory, or to a process.
//
// A wake-up is a hint: whoever waits looks for itself what is there, before and after. Events come
// from inotify; where there is none, waiting is looking again, at 32 ms and then ever more seldom.
// Raises SystemError where there is no such directory.
#ifndef TR_SESSION_WATCH_HPP
#define TR_SESSION_WATCH_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "directory.hpp"

namespace tr {

class Watch {
public:
    // in_place: whether files are written in place there, too, and not only moved.
    explicit Watch(const std::string& path, bool in_place);

    // Looks out for files that are moved into the directory, or for changes in place, too.
    void expect(bool in_place);
    // Has this end a wait, too: the descriptor of a process.
    void add(std::intptr_t process) noexcept { process_ = process; }
    // Waits for an event, at most so long; tells whether there may have been another one than a
    // change. Where only looking helps, a wait is the longer, the longer ago `reset` is.
    bool wait(std::optional<std::chrono::nanoseconds> timeout);
    // Forgets what happened so far: whoever calls this looks next.
    void drain() noexcept;
    // Looks often again: something happened.
    void reset() { reset_at_ = std::chrono::steady_clock::now(); }

    // For a forked child.
    void disown() noexcept { inotify_.close(); }

private:
    bool look_out(bool in_place) noexcept;

    std::string path_;
    Descriptor inotify_;
    std::intptr_t process_ = -1;
    std::chrono::steady_clock::time_point reset_at_ = std::chrono::steady_clock::now();
};

}  // namespace tr

#endif
