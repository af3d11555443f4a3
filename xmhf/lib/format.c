/* SPDX-License-Identifier: BSD-2-Clause */
/* printf-style formatting.  Pure. */
#include "xmhf/lib/format.h"

struct sink {
	char *out;
	size_t size;
	size_t used;
};

struct spec {
	bool zero, left, is_signed, upper;
	int width, precision;
	int length; /* -2 hh, -1 h, 0 int, 1 l or z, 2 ll */
	unsigned int base;
};

static void put(struct sink *s, char c)
{
	if (s->used + 1 < s->size)
		s->out[s->used] = c;
	s->used++;
}

static void put_padded(struct sink *s, const struct spec *p, const char *text, int n)
{
	int pad = p->width > n ? p->width - n : 0;

	for (int i = 0; !p->left && i < pad; i++)
		put(s, ' ');
	for (int i = 0; i < n; i++)
		put(s, text[i]);
	for (int i = 0; p->left && i < pad; i++)
		put(s, ' ');
}

static void put_number(struct sink *s, struct spec *p, u64 v, bool negative)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	const char *digits = p->upper ? upper : lower;
	char text[72];
	int n = sizeof(text), want = 1;

	if (p->zero && !p->left)
		want = p->width - negative;
	if (want > 64)
		want = 64;
	do {
		text[--n] = digits[v % p->base];
		v /= p->base;
	} while (v || (int)sizeof(text) - n < want);
	if (negative)
		text[--n] = '-';
	put_padded(s, p, text + n, (int)sizeof(text) - n);
}

static void put_string(struct sink *s, const struct spec *p, const char *text)
{
	int n = 0;

	if (!text)
		text = "(null)";
	while (text[n] && (p->precision < 0 || n < p->precision))
		n++;
	put_padded(s, p, text, n);
}

static const char *parse_number(const char *f, int *out, va_list *args)
{
	if (*f == '*') {
		*out = va_arg(*args, int);
		return f + 1;
	}
	for (*out = 0; *f >= '0' && *f <= '9'; f++)
		*out = *out < 1000 ? *out * 10 + (*f - '0') : 1000;
	return f;
}

static const char *parse_spec(const char *f, struct spec *p, va_list *args)
{
	for (; *f == '0' || *f == '-'; f++) {
		p->zero |= *f == '0';
		p->left |= *f == '-';
	}
	f = parse_number(f, &p->width, args);
	if (*f == '.')
		f = parse_number(f + 1, &p->precision, args);
	for (;; f++) {
		if (*f == 'l')
			p->length++;
		else if (*f == 'h')
			p->length--;
		else if (*f == 'z')
			p->length = 1;
		else
			return f;
	}
}

static u64 take_integer(const struct spec *p, va_list *args)
{
	if (p->length >= 2)
		return va_arg(*args, u64);
	if (p->length == 1)
		return p->is_signed ? (u64)va_arg(*args, long) : va_arg(*args, unsigned long);
	if (p->is_signed)
		return (u64)(s64)va_arg(*args, int);
	if (p->length == -1)
		return (u16)va_arg(*args, unsigned int);
	if (p->length <= -2)
		return (u8)va_arg(*args, unsigned int);
	return va_arg(*args, unsigned int);
}

static void put_integer(struct sink *s, struct spec *p, va_list *args)
{
	u64 v = take_integer(p, args);
	bool negative = p->is_signed && (s64)v < 0;

	put_number(s, p, negative ? -v : v, negative);
}

static void put_one(struct sink *s, struct spec *p, char kind, va_list *args)
{
	char c;

	p->base = kind == 'x' || kind == 'X' || kind == 'p' ? 16 : 10;
	p->upper = kind == 'X';
	p->is_signed = kind == 'd' || kind == 'i';
	switch (kind) {
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
		put_integer(s, p, args);
		break;
	case 'p':
		put_number(s, p, (uptr)va_arg(*args, void *), false);
		break;
	case 's':
		put_string(s, p, va_arg(*args, const char *));
		break;
	case 'c':
		c = (char)va_arg(*args, int);
		put_padded(s, p, &c, 1);
		break;
	default:
		put(s, kind);
	}
}

int format_text_v(char *out, size_t size, const char *format, va_list args)
{
	struct sink s = { .out = out, .size = size };
	va_list copy;

	va_copy(copy, args);
	for (const char *f = format; *f; f++) {
		struct spec p = { .precision = -1 };

		if (*f != '%') {
			put(&s, *f);
			continue;
		}
		f = parse_spec(f + 1, &p, &copy);
		if (!*f)
			break;
		put_one(&s, &p, *f, &copy);
	}
	va_end(copy);
	if (size)
		out[s.used < size ? s.used : size - 1] = '\0';
	return (int)s.used;
}

int format_text(char *out, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = format_text_v(out, size, format, args);
	va_end(args);
	return n;
}
