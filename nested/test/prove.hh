/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proofs about real C files with z3: the file is compiled as C++ with u64 a 64-bit term
 * (word) and bool a truth term (claim), run once for every feasible way through its
 * branches, and each named statement about its results must be valid on each of them.
 */
#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>
#include <z3++.h>

namespace prove
{
inline z3::context &context()
{
	static z3::context c;
	return c;
}

/* The run that is under way: what the branches so far were decided as. */
struct run {
	z3::solver assumptions{ context() };
	std::vector<std::pair<bool, bool>> decisions; /* value, the other one is still to do */
	size_t next = 0;

	bool feasible(const z3::expr &e)
	{
		assumptions.push();
		assumptions.add(e);
		bool yes = assumptions.check() != z3::unsat;
		assumptions.pop();
		return yes;
	}

	bool decide(const z3::expr &e)
	{
		if (next == decisions.size()) {
			bool can_hold = feasible(e), can_fail = feasible(!e);
			decisions.push_back({ can_hold, can_hold && can_fail });
		}
		bool value = decisions[next++].first;
		assumptions.add(value ? e : !e);
		return value;
	}

	/* Turns the last decision with a second side; false: all ways are done. */
	bool turn()
	{
		while (!decisions.empty() && !decisions.back().second)
			decisions.pop_back();
		if (decisions.empty())
			return false;
		decisions.back() = { !decisions.back().first, false };
		return true;
	}
};

inline run *current;

struct claim {
	z3::expr e;
	claim(z3::expr x) : e(x)
	{
	}
	claim(bool b) : e(context().bool_val(b))
	{
	}
	explicit operator bool() const
	{
		return current->decide(e);
	}
};

struct word {
	z3::expr e;
	word() : e(context().bv_val(0, 64))
	{
	}
	word(z3::expr x) : e(x)
	{
	}
	template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
	word(T v) : e(context().bv_val(static_cast<uint64_t>(v), 64))
	{
	}
	explicit operator bool() const
	{
		return current->decide(e != 0);
	}
};

inline word operator&(word a, word b)
{
	return a.e & b.e;
}
inline word operator|(word a, word b)
{
	return a.e | b.e;
}
inline word operator^(word a, word b)
{
	return a.e ^ b.e;
}
inline word operator~(word a)
{
	return ~a.e;
}
inline claim operator==(word a, word b)
{
	return a.e == b.e;
}
inline claim operator!=(word a, word b)
{
	return a.e != b.e;
}

inline word variable(const char *name)
{
	return context().bv_const(name, 64);
}
inline z3::expr implies(claim a, claim b)
{
	return z3::implies(a.e, b.e);
}

using statements = std::vector<std::pair<const char *, z3::expr>>;

/* Proves @body's statements on every way through it; returns how many are refuted. */
template <typename F> int all(const char *name, F body)
{
	std::vector<std::pair<bool, bool>> decisions;
	int refuted = 0, ways = 0, count = 0;

	do {
		run r;
		r.decisions = decisions;
		current = &r;
		for (auto &s : body()) {
			count++;
			r.assumptions.push();
			r.assumptions.add(!s.second);
			z3::check_result result = r.assumptions.check();
			if (result != z3::unsat) {
				refuted++;
				std::printf("not ok - %s: %s\n", name, s.first);
				if (result == z3::sat)
					std::printf("%s\n",
						    Z3_model_to_string(context(),
								       r.assumptions.get_model()));
			}
			r.assumptions.pop();
		}
		ways++;
		if (!r.turn())
			break;
		decisions = r.decisions;
	} while (true);
	std::printf("%s - %s: %d statements on %d ways\n", refuted ? "not ok" : "ok", name, count,
		    ways);
	return refuted;
}
} // namespace prove
