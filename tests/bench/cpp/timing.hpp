// Commands on standard input -> how long each took, on standard output.
//
// A command is the name of a way and how many times it is to be done; the answer is one line, the
// seconds that this took. Python asks, so that its own ways and these take turns in one run.

#ifndef TSR_BENCH_TIMING_HPP
#define TSR_BENCH_TIMING_HPP

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>

using Ways = std::map<std::string, std::function<void()>>;

/// Do what is asked for until the input ends.
inline int serve(const Ways& ways) {
    std::string name;
    long count = 0;
    while (std::getline(std::cin, name, '\t') && std::cin >> count) {
        std::cin.ignore();  // the end of the line
        const auto way = ways.find(name);
        if (way == ways.end()) {
            std::cerr << "no such way: " << name << '\n';
            return 2;
        }
        const auto start = std::chrono::steady_clock::now();
        for (long i = 0; i < count; ++i) way->second();
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        std::printf("%.9f\n", seconds.count());
        std::fflush(stdout);
    }
    return 0;
}

/// Keep a value from being optimised away.
template <class T>
inline void use(const T& value) {
    asm volatile("" : : "g"(&value) : "memory");
}

#endif
