#include "vmm/monitor/mon_rtc.h"

#include <time.h>

#include "base/num.h"

/* Registers (MC146818A, figure 11); the century and the sizes are where PCs have them. */
enum {
	R_SECOND = 0x00,
	R_MINUTE = 0x02,
	R_HOUR = 0x04,
	R_WEEKDAY = 0x06,
	R_DAY = 0x07,
	R_MONTH = 0x08,
	R_YEAR = 0x09,
	R_A = 0x0a,
	R_B = 0x0b,
	R_D = 0x0d,
	R_EXTENDED = 0x30, /* memory from 1 MiB, in KiB, at most 63 MiB */
	R_CENTURY = 0x32,
	R_LOW = 0x34,   /* memory from 16 MiB to 4 GiB, in 64 KiB */
	R_HIGH = 0x5b,  /* memory from 4 GiB, in 64 KiB, three bytes */
	R_VCPUS = 0x5f, /* less one */
};
#define A_DIVIDER       0x26u /* 32768 Hz, no update in progress */
#define B_24_HOUR       0x02u /* BCD */
#define D_VALID         0x80u

#define SECONDS_PER_DAY 86400u
#define DAYS_400_YEARS  146097u
#define DAYS_100_YEARS  36524u
#define DAYS_4_YEARS    1461u
#define DAYS_TO_MARCH_0 719468u /* from 0000-03-01 to 1970-01-01 */

/*
 * Years begin in March here, so that the leap day is the last of its year. Within such a year
 * the months have 31 30 31 30 31 days and again, which (5 m + 2) / 153 counts.
 */
struct rtc_civil mon_rtc_civil(uint64_t unix_seconds)
{
	uint64_t days = unix_seconds / SECONDS_PER_DAY;
	uint32_t second = (uint32_t)(unix_seconds % SECONDS_PER_DAY);
	uint64_t from_march = days + DAYS_TO_MARCH_0;
	uint64_t era = from_march / DAYS_400_YEARS;
	uint32_t d = (uint32_t)(from_march % DAYS_400_YEARS);
	uint32_t y =
		(d - d / (DAYS_4_YEARS - 1) + d / DAYS_100_YEARS - d / (DAYS_400_YEARS - 1)) / 365;
	uint32_t in_year = d - (365 * y + y / 4 - y / 100);
	uint32_t m = (5 * in_year + 2) / 153;

	return (struct rtc_civil){
		.year = (uint32_t)(era * 400) + y + (m >= 10),
		.month = (uint8_t)(m < 10 ? m + 3 : m - 9),
		.day = (uint8_t)(in_year - (153 * m + 2) / 5 + 1),
		.weekday = (uint8_t)((days + 4) % 7 + 1), /* 1970-01-01 was a Thursday */
		.hour = (uint8_t)(second / 3600),
		.minute = (uint8_t)(second / 60 % 60),
		.second = (uint8_t)(second % 60),
	};
}

static uint8_t bcd_of(uint32_t v)
{
	return (uint8_t)(v / 10 % 10 << 4 | v % 10);
}

void mon_rtc_set(struct rtc *rtc, uint64_t unix_seconds)
{
	struct rtc_civil c = mon_rtc_civil(unix_seconds);

	rtc->bytes[R_SECOND] = bcd_of(c.second);
	rtc->bytes[R_MINUTE] = bcd_of(c.minute);
	rtc->bytes[R_HOUR] = bcd_of(c.hour);
	rtc->bytes[R_WEEKDAY] = bcd_of(c.weekday);
	rtc->bytes[R_DAY] = bcd_of(c.day);
	rtc->bytes[R_MONTH] = bcd_of(c.month);
	rtc->bytes[R_YEAR] = bcd_of(c.year % 100);
	rtc->bytes[R_CENTURY] = bcd_of(c.year / 100);
}

/*
 * Software asks register A whether an update is in progress, then reads the time from the seconds
 * on. The time is taken at either, so that what is read after it is of one moment.
 */
static uint64_t rtc_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	struct rtc *rtc = CONTAINER_OF(dev, struct rtc, dev);
	struct timespec t = { 0 };

	if (offset == 0 || len != 1)
		return ~(uint64_t)0;
	if (rtc->index == R_A || rtc->index == R_SECOND) {
		(void)clock_gettime(CLOCK_REALTIME, &t);
		mon_rtc_set(rtc, (uint64_t)t.tv_sec);
	}
	return rtc->bytes[rtc->index];
}

static void rtc_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct rtc *rtc = CONTAINER_OF(dev, struct rtc, dev);

	if (offset == 0)
		rtc->index = v & (RTC_BYTES - 1);
}

static void put_le(uint8_t *p, unsigned int len, uint64_t v)
{
	for (unsigned int i = 0; i < len; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

int mon_rtc_init(struct rtc *rtc, struct bus *bus, uint64_t low_bytes, uint64_t high_bytes,
	unsigned int vcpus)
{
	const uint64_t mib = 1u << 20;

	*rtc = (struct rtc){ .dev = { rtc_read, rtc_write } };
	rtc->bytes[R_A] = A_DIVIDER;
	rtc->bytes[R_B] = B_24_HOUR;
	rtc->bytes[R_D] = D_VALID;
	put_le(rtc->bytes + R_EXTENDED, 2, MIN(low_bytes - mib, 63 * mib) >> 10);
	put_le(rtc->bytes + R_LOW, 2, (low_bytes - 16 * mib) >> 16);
	put_le(rtc->bytes + R_HIGH, 3, high_bytes >> 16);
	rtc->bytes[R_VCPUS] = (uint8_t)(vcpus - 1);
	return bus_add(bus, BUS_IO, RTC_PORT, 2, &rtc->dev);
}
