// A client of a session that does what it is told: commands on standard input, one a line, answers
// on standard output, one a line.
//
// Of strings in commands and answers a backslash, a newline and a carriage return are written \\,
// \n and \r. An answer is "ok", "ok VALUE", or "error TYPE MESSAGE"; a time-out is in ms.
//
//     new SCRIPT ID WORKSPACE | delete | start | restart MS | wait_until_ready MS
//     is_alive | is_ready | is_busy | new_response | wait_until_ok MS | session_dir | died
//     request MESSAGE | read | wait MS | fetch MS MESSAGE
//     tensor NAME DTYPE SHAPE VALUE       make a tensor: float32 3,4 1.5
//     send NAME TAG | wait_tensor NAME MS | fetch_tensor NAME MS MESSAGE
//     wait_tensors NAME MS                as NAME0, NAME1...; answers how many
//     calculate NAME MS COMMAND NAMES...  all arguments are tensors
//     show NAME                           dtype, shape, sum of the elements, first and last
//     set NAME VALUE | drop NAME          all elements; forget the tensor
//     please_exit MS ENSURE | terminate | join MS
//     after MS COMMAND                    in another thread, which is not waited for
//     quiet TRUE                          whether what the worker prints is not shown
//     on_progress COMMAND                 at the first progress; "seen" answers what it answered
//     forget_on_progress                  a callback that sets none; "seen": was it gone by then
//     wait_for_children                   from now on, whatever child it is, when one ends
//     killpgs                             how often groups of processes were killed
//     fork                                in a child that ends by the end of main
//     fork_and_leave                      in a child that lives until its input is closed
//     share THREADS COUNT                 so many threads make requests; answers who got another's
//     fork_unseen                         the same, and nobody is told of the fork
//     count                               descriptors and threads
//     decode BYTES                        a response, in hexadecimal; answers its fields, one a line
#include <dirent.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <thread>
#include <typeinfo>

#include "message.hpp"
#include "tech_renaissance.h"

namespace {

std::atomic<int> killed_groups{0};

}  // namespace

// In place of the system's.
extern "C" int killpg(pid_t group, int number) noexcept {
    ++killed_groups;
    return kill(-group, number);
}

namespace {

using tr::PythonSession;
using tr::Tensor;

std::string escaped(const std::string& text) {
    std::string line;
    for (const char c : text) {
        if (c == '\\') {
            line += "\\\\";
        } else if (c == '\n') {
            line += "\\n";
        } else if (c == '\r') {
            line += "\\r";
        } else {
            line += c;
        }
    }
    return line;
}

std::string unescaped(const std::string& line) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] != '\\' || i + 1 == line.size()) {
            text += line[i];
            continue;
        }
        ++i;
        text += line[i] == 'n' ? '\n' : line[i] == 'r' ? '\r' : line[i];
    }
    return text;
}

// What is left of a command: words at spaces, and all of it.
class Words {
public:
    explicit Words(const std::string& line) : stream_(line) {}

    std::string next() {
        std::string word;
        stream_ >> word;
        return word;
    }

    int number() { return std::stoi(next()); }

    std::string rest() {
        std::string line;
        if (stream_.peek() == ' ') stream_.get();
        std::getline(stream_, line);
        return unescaped(line);
    }

    bool is_empty() { return (stream_ >> std::ws).eof(); }

private:
    std::istringstream stream_;
};

std::size_t entries_of(const char* folder) {
    DIR* stream = opendir(folder);
    std::size_t count = 0;
    while (readdir(stream) != nullptr) ++count;
    closedir(stream);
    return count;
}

std::string type_of(const std::exception& error) {
    if (dynamic_cast<const tr::WorkerStartError*>(&error)) return "WorkerStartError";
    if (dynamic_cast<const tr::WorkerDied*>(&error)) return "WorkerDied";
    if (dynamic_cast<const tr::WorkerError*>(&error)) return "WorkerError";
    if (dynamic_cast<const tr::SessionTimeout*>(&error)) return "SessionTimeout";
    if (dynamic_cast<const tr::SessionBusy*>(&error)) return "SessionBusy";
    if (dynamic_cast<const tr::MessageError*>(&error)) return "MessageError";
    if (dynamic_cast<const tr::SessionError*>(&error)) return "SessionError";
    if (dynamic_cast<const tr::FormatError*>(&error)) return "FormatError";
    if (dynamic_cast<const tr::UnsupportedError*>(&error)) return "UnsupportedError";
    if (dynamic_cast<const tr::SystemError*>(&error)) return "SystemError";
    if (dynamic_cast<const tr::TRException*>(&error)) return "TRException";
    return "none of ours:";
}

template <class Action>
auto with_elements(const Tensor& tensor, Action action) {
    switch (tensor.dtype()) {
        case tr::DType::INT8: return action(tensor.data_ptr<std::int8_t>());
        case tr::DType::INT32: return action(tensor.data_ptr<std::int32_t>());
        default: return action(tensor.data_ptr<float>());
    }
}

std::string decoded(const std::string& hexadecimal) {
    std::string data;
    for (std::size_t i = 0; i + 1 < hexadecimal.size(); i += 2) {
        data += static_cast<char>(std::stoi(hexadecimal.substr(i, 2), nullptr, 16));
    }
    const tr::Response response = tr::decode_response(data);
    std::string text;
    for (const std::string& field :
         {response.command, response.result, response.message, response.id}) {
        text += escaped(field) + "\n";
    }
    for (const std::string& name : response.tensors) text += escaped(name) + "\n";
    return text + (response.is_original ? "original" : "ours");
}

class Driver {
public:
    std::string answer(const std::string& line) {
        try {
            Words words(line);
            const std::string value = run(words.next(), words);
            return value.empty() ? "ok" : "ok " + escaped(value);
        } catch (const std::exception& error) {
            const auto* died = dynamic_cast<const tr::WorkerDied*>(&error);
            if (died != nullptr) died_ = *died;
            return "error " + type_of(error) + " " + escaped(error.what());
        }
    }

    bool is_child() const { return is_child_; }

private:
    std::string run(const std::string& command, Words& words) {
        const auto found = commands_.find(command);
        if (found == commands_.end()) throw std::runtime_error("no such command: " + command);
        return found->second(words);
    }

    static std::string text(bool value) { return value ? "true" : "false"; }

    PythonSession& session() {
        if (!session_) throw std::runtime_error("there is no session");
        return *session_;
    }

    std::string make(Words& words) {
        const std::string script = words.next();
        const std::string id = words.next();
        session_ = std::make_unique<PythonSession>(script, id, true, words.next());
        return "";
    }

    std::string make_tensor(Words& words) {
        const std::string name = words.next();
        const std::map<std::string, tr::DType> dtypes = {
            {"float32", tr::DType::FP32}, {"int8", tr::DType::INT8}, {"int32", tr::DType::INT32}};
        const tr::DType dtype = dtypes.at(words.next());
        std::vector<std::int64_t> sizes;
        std::istringstream shape(words.next());
        for (std::string size; std::getline(shape, size, ',');) {
            if (size != "-") sizes.push_back(std::stoll(size));
        }
        const double value = std::stod(words.next());
        tensors_[name] = Tensor::full(tr::Shape(sizes), value, dtype, tr::CPU);
        return "";
    }

    std::string show(const Tensor& tensor) {
        std::ostringstream stream;
        stream.precision(15);
        stream << tr::name(tensor.dtype()) << ' ' << tensor.shape().to_string();
        with_elements(tensor, [&](const auto* elements) {
            const auto* end = elements + tensor.numel();
            stream << ' ' << std::accumulate(elements, end, 0.0);
            if (end > elements) stream << ' ' << +elements[0] << ' ' << +end[-1];
        });
        return stream.str();
    }

    std::string set(Words& words) {
        Tensor& tensor = tensors_.at(words.next());
        const Tensor filled = Tensor::full(tensor.shape(), std::stod(words.next()), tensor.dtype());
        std::memcpy(tensor.data(), filled.data(), tensor.nbytes());
        return "";
    }

    std::string calculate(Words& words) {
        const std::string name = words.next();
        const int timeout_ms = words.number();
        const std::string command = words.next();
        std::vector<Tensor> tensors;
        while (!words.is_empty()) tensors.push_back(tensors_.at(words.next()));
        tensors_[name] = session().calculate(command, tensors, timeout_ms);
        return "";
    }

    std::string wait_tensors(Words& words) {
        const std::string name = words.next();
        const std::vector<Tensor> tensors = session().wait_for_tensors(words.number());
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            tensors_[name + std::to_string(i)] = tensors[i];
        }
        return std::to_string(tensors.size());
    }

    std::string after(Words& words) {
        const std::chrono::milliseconds time(words.number());
        const std::string command = words.rest();
        std::thread([this, time, command] {
            std::this_thread::sleep_for(time);
            answer(command);
        }).detach();
        return "";
    }

    std::string share(Words& words) {
        const int threads = words.number();
        const int count = words.number();
        std::atomic<int> running{threads};
        std::atomic<int> wrong{0};
        std::vector<std::thread> all;
        for (int thread = 0; thread < threads; ++thread) {
            all.emplace_back([&, thread] {
                for (int i = 0; i < count; ++i) {
                    const std::string text = std::to_string(thread) + " " + std::to_string(i);
                    const Tensor tensor = Tensor::full(tr::Shape(3), i);
                    if (session().fetch_response("echo " + text, 0) != text) ++wrong;
                    const Tensor result = session().calculate("double", tensor, 0);
                    if (!result.is_close(Tensor::full(tr::Shape(3), 2 * i))) ++wrong;
                }
                --running;
            });
        }
        // One that looks must neither disturb them nor take an answer from them.
        while (running > 0) {
            session().is_ready();
            session().is_busy();
            session().new_response();
            session().progress();
            if (!session().is_alive()) ++wrong;
        }
        for (std::thread& thread : all) thread.join();
        return std::to_string(wrong);
    }

    std::string on_progress(const std::string& command) {
        session().on_progress([this, command, is_first = true](const tr::Progress&) mutable {
            if (is_first) seen_ = answer(command);
            is_first = false;
        });
        return "";
    }

    std::string forget_on_progress() {
        const auto held = std::make_shared<int>();
        held_ = held;
        session().on_progress([this, held](const tr::Progress&) {
            Driver& driver = *this;
            driver.session().on_progress(nullptr);
            driver.seen_ = text(driver.held_.expired());
        });
        return "";
    }

    static std::string wait_for_children() {
        std::signal(SIGCHLD, [](int) {
            const int error = errno;
            while (waitpid(-1, nullptr, WNOHANG) > 0) continue;
            errno = error;
        });
        return "";
    }

    std::string fork_child() {
        const pid_t child = fork();
        if (child == 0) {
            is_child_ = true;
            return "";
        }
        int status = 0;
        waitpid(child, &status, 0);
        return std::to_string(status);
    }

    std::string fork_and_leave(pid_t child) {
        if (child > 0) return std::to_string(child);
        // It reads what the parent reads, and ends with it: by the end of the pipe.
        sleep(3600);
        _exit(0);
    }

    using Command = std::function<std::string(Words&)>;

    const std::map<std::string, Command> commands_ = {
        {"new", [this](Words& w) { return make(w); }},
        {"delete", [this](Words&) { return session_.reset(), ""; }},
        {"start", [this](Words&) { return session().start(), ""; }},
        {"restart", [this](Words& w) { return session().restart(w.number()), ""; }},
        {"wait_until_ready",
         [this](Words& w) { return text(session().wait_until_ready(w.number())); }},
        {"wait_until_ok", [this](Words& w) { return text(session().wait_until_ok(w.number())); }},
        {"is_alive", [this](Words&) { return text(session().is_alive()); }},
        {"is_ready", [this](Words&) { return text(session().is_ready()); }},
        {"is_busy", [this](Words&) { return text(session().is_busy()); }},
        {"new_response", [this](Words&) { return text(session().new_response()); }},
        {"session_dir", [this](Words&) { return session().session_dir(); }},
        {"died",
         [this](Words&) {
             return std::to_string(died_.returncode().value_or(-999)) + " " +
                    std::to_string(died_.signal().value_or(0)) + " " + died_.output();
         }},
        {"request", [this](Words& w) { return session().send_request(w.rest()), ""; }},
        {"read", [this](Words&) { return session().read_response().value_or("(none)"); }},
        {"wait", [this](Words& w) { return session().wait_for_response(w.number()); }},
        {"fetch",
         [this](Words& w) {
             const int timeout_ms = w.number();
             return session().fetch_response(w.rest(), timeout_ms);
         }},
        {"progress",
         [this](Words&) {
             const std::optional<tr::Progress> now = session().progress();
             return now ? std::to_string(now->done) + " " + now->note : "(none)";
         }},
        {"tensor", [this](Words& w) { return make_tensor(w); }},
        {"send",
         [this](Words& w) {
             const Tensor& tensor = tensors_.at(w.next());
             return session().send_tensor(tensor, w.next()), "";
         }},
        {"wait_tensor",
         [this](Words& w) {
             const std::string name = w.next();
             return tensors_[name] = session().wait_for_tensor(w.number()), "";
         }},
        {"fetch_tensor",
         [this](Words& w) {
             const std::string name = w.next();
             const int timeout_ms = w.number();
             return tensors_[name] = session().fetch_tensor(w.rest(), timeout_ms), "";
         }},
        {"wait_tensors", [this](Words& w) { return wait_tensors(w); }},
        {"calculate", [this](Words& w) { return calculate(w); }},
        {"show", [this](Words& w) { return show(tensors_.at(w.next())); }},
        {"set", [this](Words& w) { return set(w); }},
        {"drop", [this](Words& w) { return tensors_.erase(w.next()), ""; }},
        {"please_exit",
         [this](Words& w) {
             const int timeout_ms = w.number();
             return text(session().please_exit(timeout_ms, w.next() == "true"));
         }},
        {"terminate", [this](Words&) { return session().terminate(), ""; }},
        {"join", [this](Words& w) { return text(session().join(w.number())); }},
        {"after", [this](Words& w) { return after(w); }},
        {"share", [this](Words& w) { return share(w); }},
        {"fork", [this](Words&) { return fork_child(); }},
        {"decode", [](Words& w) { return decoded(w.next()); }},
        {"fork_and_leave", [this](Words&) { return fork_and_leave(fork()); }},
        {"fork_unseen",
         [this](Words&) {
             return fork_and_leave(static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
         }},
        {"quiet", [this](Words& w) { return session().set_quiet_mode(w.next() == "true"), ""; }},
        {"on_progress", [this](Words& w) { return on_progress(w.rest()); }},
        {"forget_on_progress", [this](Words&) { return forget_on_progress(); }},
        {"seen", [this](Words&) { return seen_; }},
        {"wait_for_children", [](Words&) { return wait_for_children(); }},
        {"killpgs", [](Words&) { return std::to_string(killed_groups); }},
        {"count",
         [](Words&) {
             return std::to_string(entries_of("/proc/self/fd")) + " " +
                    std::to_string(entries_of("/proc/self/task"));
         }},
    };
    std::unique_ptr<PythonSession> session_;
    std::map<std::string, Tensor> tensors_;
    tr::WorkerDied died_{{}, ""};
    std::string seen_;
    std::weak_ptr<int> held_;
    bool is_child_ = false;
};

}  // namespace

int main() {
    Driver driver;
    std::string line;
    while (std::getline(std::cin, line)) {
        const std::string answer = driver.answer(line);
        if (driver.is_child()) break;
        std::cout << answer << std::endl;
    }
    return 0;
}
