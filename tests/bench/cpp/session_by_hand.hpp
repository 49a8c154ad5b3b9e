// The session's client by the system's calls alone: what PythonSession is divided by.
//
// The same files, status lines and checks of who answers what; a wait ends with the worker's life and
// has a time-out. No options, one dialect, and tensors go in fresh files. The worker is that of
// tests/bench/session/by_hand.py. Linux only.

#ifndef TSR_BENCH_SESSION_BY_HAND_HPP
#define TSR_BENCH_SESSION_BY_HAND_HPP

#include <dirent.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <chrono>
#include <vector>

#include "by_hand.hpp"

namespace by_hand {

class Session {
public:
    Session(const std::string& python, const std::string& script, std::string folder)
        : path_(std::move(folder)) {
        require(::mkdtemp(path_.data()) != nullptr);
        path_ += '/';
        events_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        require(::inotify_add_watch(events_, path_.c_str(), IN_MOVED_TO) >= 0);
        worker_ = ::fork();
        if (worker_ == 0) {
            ::execlp(python.c_str(), python.c_str(), script.c_str(), path_.c_str(), nullptr);
            ::_exit(127);
        }
        peer_ = static_cast<int>(::syscall(SYS_pidfd_open, worker_, 0));
        require(peer_ >= 0);
        wait("status.txt", false);
    }
    Session(const Session&) = delete;

    ~Session() {
        send("exit", "");
        ::waitpid(worker_, nullptr, 0);
        ::close(events_);
        ::close(peer_);
        std::system(("rm -r '" + path_ + "'").c_str());
    }

    std::string echo(const std::string& text) { return ask("echo", text); }

    /// Send float32 values, and take what the worker makes of them.
    void negate(const Header& header, const float* elements, std::size_t nbytes) {
        const struct iovec parts[2] = {{const_cast<Header*>(&header), 64},
                                       {const_cast<float*>(elements), nbytes}};
        put("input_0.tsr", parts, 2);
        ask("negate", "input_0");
        const std::string path = path_ + "result_0.tsr";
        {
            constexpr std::size_t mapped = 1 << 17;
            if (nbytes >= mapped) {
                const Mapped file(path);
                require(check(*static_cast<const Header*>(file.data), file.size) == nbytes);
                for (std::size_t at = 64; at < file.size; at += 4096) sum_ += file.bytes()[at];
            } else {
                const Bytes copy = load(path);
                for (std::size_t at = 0; at < nbytes; at += 4096) sum_ += copy[at];
            }
        }
        ::unlink(path.c_str());
    }

private:
    void put(const char* name, const struct iovec* parts, int count) {
        const std::string temporary = path_ + "." + std::to_string(serial_++) + ".tmp";
        const int descriptor =
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        std::size_t size = 0;
        for (int i = 0; i < count; ++i) size += parts[i].iov_len;
        require(::writev(descriptor, parts, count) == static_cast<ssize_t>(size));
        ::close(descriptor);
        require(::rename(temporary.c_str(), (path_ + name).c_str()) == 0);
    }

    void send(const std::string& command, const std::string& parameters) {
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
        std::string text = R"({"command": ")" + command + R"(", "parameters": ")" + parameters +
                           R"(", "timestamp": )" + std::to_string(ms) + R"(, "id": ")" +
                           std::to_string(++number_) + "\"}";
        const struct iovec part = {text.data(), text.size()};
        put("request.json", &part, 1);
    }

    /// A file once it is there.
    std::string wait(const char* name, bool is_removed) {
        const std::string path = path_ + name;
        char buffer[4096];
        for (;;) {
            const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
            if (descriptor >= 0) {
                const ssize_t size = ::read(descriptor, buffer, sizeof buffer);
                ::close(descriptor);
                if (is_removed) ::unlink(path.c_str());
                return {buffer, static_cast<std::size_t>(size)};
            }
            struct pollfd polled[2] = {{events_, POLLIN, 0}, {peer_, POLLIN, 0}};
            require(::poll(polled, 2, 60000) > 0 && polled[1].revents == 0);
            require(::read(events_, buffer, sizeof buffer) > 0);
        }
    }

    /// What stands behind a name in a message: no text here has a quote in it.
    static std::string value(const std::string& message, const std::string& name) {
        const std::string start = "\"" + name + "\": \"";
        const std::size_t begin = message.find(start) + start.size();
        return message.substr(begin, message.find('"', begin) - begin);
    }

    std::string ask(const std::string& command, const std::string& parameters) {
        send(command, parameters);
        for (;;) {
            const std::string response = wait("response.json", true);
            if (value(response, "id") == std::to_string(number_)) return value(response, "result");
        }
    }

    std::string path_;
    int events_ = -1;
    int peer_ = -1;
    pid_t worker_ = -1;
    unsigned long serial_ = 0;
    unsigned long number_ = 0;
    std::uint64_t sum_ = 0;
};

}  // namespace by_hand

#endif
