// See fork.hpp.
#include "fork.hpp"

#include <algorithm>
#include <vector>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace tr {

namespace {

// Never destroyed: a tensor may live longer than anything that is static.
struct Registry {
    std::mutex mutex;
    std::vector<ForkAware*> members;
};

Registry& registry() {
    static Registry& made = *new Registry;
    return made;
}

#ifndef _WIN32
void prepare() {
    registry().mutex.lock();
    for (ForkAware* member : registry().members) member->before_fork();
}

void after_in_parent() {
    registry().mutex.unlock();
}

void after_in_child() {
    for (ForkAware* member : registry().members) member->in_forked_child();
    registry().mutex.unlock();
}
#endif

}  // namespace

std::mutex& ForkAware::mutex() {
    return registry().mutex;
}

ForkAware::ForkAware() {
#ifndef _WIN32
    static const int registered = pthread_atfork(prepare, after_in_parent, after_in_child);
    static_cast<void>(registered);
#endif
}

void ForkAware::enlist() {
    const std::lock_guard lock(registry().mutex);
    registry().members.push_back(this);
}

void ForkAware::retire() noexcept {
    const std::lock_guard lock(registry().mutex);
    std::vector<ForkAware*>& members = registry().members;
    members.erase(std::remove(members.begin(), members.end(), this), members.end());
}

}  // namespace tr
