// Where no pages are used again, every tensor has a file of its own: see pages.hpp.
#include "pages.hpp"

namespace tr {

class Outgoing::File {};

class Incoming::File {};

Outgoing::Outgoing(Directory& directory) : directory_(directory) {}

Outgoing::~Outgoing() = default;

bool Outgoing::write(const codec::Header&, const Tensor&,
                     const std::function<void(const std::string&)>&) {
    return false;
}

void Outgoing::close() noexcept {}

void Outgoing::disown() noexcept {}

Incoming::Incoming() = default;

Incoming::~Incoming() = default;

std::optional<Tensor> Incoming::map(OpenFile&) {
    return {};
}

void Incoming::close() noexcept {}

void Incoming::before_fork() {}

}  // namespace tr
