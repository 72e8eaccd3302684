// Prints the value of one test as a record that the caller reads: RS number US json GS newline.
#include <any>
#include <cmath>
#include <cstdio>
#include <deque>
#include <exception>
#include <iostream>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace mixwright {

inline std::string json(const std::string& text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        char escaped[8];
        if (c == '"' || c == '\\') { out += '\\'; out += static_cast<char>(c); }
        else if (c < 0x20 || c >= 0x7f) { std::snprintf(escaped, sizeof escaped, "\\u%04x", c); out += escaped; }
        else out += static_cast<char>(c);
    }
    return out + "\"";
}
inline std::string json(const char* text) { return json(std::string(text)); }
inline std::string json(char c) { return json(std::string(1, c)); }
inline std::string json(bool value) { return value ? "true" : "false"; }
inline std::string json(std::nullopt_t) { return "null"; }
inline std::string json(std::nullptr_t) { return "null"; }

template <class T> std::enable_if_t<std::is_integral_v<T>, std::string> json(T value) { return std::to_string(value); }
template <class T> std::enable_if_t<std::is_floating_point_v<T>, std::string> json(T value) {
    if (std::isnan(value)) return "{\"number\":\"nan\"}";
    if (std::isinf(value)) return value > 0 ? "{\"number\":\"inf\"}" : "{\"number\":\"-inf\"}";
    char digits[64];
    std::snprintf(digits, sizeof digits, "%.21Lg", static_cast<long double>(value));
    return digits;
}

template <class T> std::string json(const std::vector<T>&);
template <class T> std::string json(const std::deque<T>&);
template <class T> std::string json(const std::list<T>&);
template <class T> std::string json(const std::set<T>&);
template <class T> std::string json(const std::multiset<T>&);
template <class T> std::string json(const std::unordered_set<T>&);
template <class T> std::string json(const std::optional<T>&);
template <class A, class B> std::string json(const std::pair<A, B>&);
template <class... T> std::string json(const std::tuple<T...>&);
template <class K, class V> std::string json(const std::map<K, V>&);
template <class K, class V> std::string json(const std::unordered_map<K, V>&);

template <class C> std::string listed(const C& items) {
    std::string out = "[";
    for (const auto& item : items) {
        if (out.size() > 1) out += ",";
        out += json(static_cast<const typename C::value_type&>(item));
    }
    return out + "]";
}
template <class T> std::string json(const std::vector<T>& v) { return listed(v); }
template <class T> std::string json(const std::deque<T>& v) { return listed(v); }
template <class T> std::string json(const std::list<T>& v) { return listed(v); }
template <class T> std::string json(const std::set<T>& v) { return "{\"set\":" + listed(v) + "}"; }
template <class T> std::string json(const std::multiset<T>& v) { return "{\"set\":" + listed(v) + "}"; }
template <class T> std::string json(const std::unordered_set<T>& v) { return "{\"set\":" + listed(v) + "}"; }
template <class T> std::string json(const std::optional<T>& v) { return v ? json(*v) : "null"; }
template <class A, class B> std::string json(const std::pair<A, B>& p) {
    return "[" + json(p.first) + "," + json(p.second) + "]";
}
template <class... T> std::string json(const std::tuple<T...>& t) {
    std::string out;
    std::apply([&](const auto&... part) { ((out += (out.empty() ? "" : ",") + json(part)), ...); }, t);
    return "[" + out + "]";
}
template <class M> std::string mapped(const M& items) {
    std::string out;
    for (const auto& [key, value] : items) out += (out.empty() ? "[" : ",[") + json(key) + "," + json(value) + "]";
    return "{\"map\":[" + out + "]}";
}
template <class K, class V> std::string json(const std::map<K, V>& v) { return mapped(v); }
template <class K, class V> std::string json(const std::unordered_map<K, V>& v) { return mapped(v); }

template <class F> void show(int number, F value) {
    std::string text;
    try { text = json(value()); }
    catch (const std::exception& error) { text = "{\"raised\":" + json(std::string(error.what())) + "}"; }
    catch (...) { text = "{\"raised\":\"\"}"; }
    std::cout << '\x1e' << number << '\x1f' << text << '\x1d' << std::endl;
}

}  // namespace mixwright
