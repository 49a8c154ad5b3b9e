// The last of what a worker prints, for two threads: one that drains it, and one that asks.
#ifndef TR_SESSION_OUTPUT_HPP
#define TR_SESSION_OUTPUT_HPP

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>

namespace tr {

class Output {
public:
    void add(std::string_view chunk) {
        const std::lock_guard lock(mutex_);
        tail_.append(chunk);
        if (tail_.size() > tail_bytes) tail_.erase(0, tail_.size() - tail_bytes);
    }

    // There is no more.
    void end() {
        const std::lock_guard lock(mutex_);
        is_over_ = true;
        over_.notify_all();
    }

    // Waits so long until there is no more.
    std::string tail(std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        over_.wait_for(lock, patience, [this] { return is_over_; });
        return tail_;
    }

private:
    static constexpr std::size_t tail_bytes = 1U << 14;

    std::mutex mutex_;
    std::condition_variable over_;
    std::string tail_;
    bool is_over_ = false;
};

}  // namespace tr

#endif
