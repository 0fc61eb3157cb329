/* Shared by the recording libraries: writes one line a call, and fails the calls that the environment names.
 *
 * CUDA_TRACE_FILE  file that lines are appended to; none: nothing is recorded
 * CUDA_TRACE_FAIL  calls that fail, as CALL:NTH=CODE[,CALL:NTH=CODE...], counted from 1; NTH+ fails all from there on
 *
 * A line is `THREAD CALL NAME=VALUE NAME=VALUE ...`. It is written by one write(2) to a file opened for appending, so
 * that the lines of all libraries and threads are in the order of the calls.
 */
#ifndef RECORD_H
#define RECORD_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MOST_RULES 8

static struct {
  char call[64];
  long from, to;
  int code;
  long seen;
} rules[MOST_RULES];
static int rule_count, trace_file = -1;

__attribute__((constructor)) static void begin_record(void) {
  const char *file = getenv("CUDA_TRACE_FILE"), *fail = getenv("CUDA_TRACE_FAIL");
  if (file && *file) trace_file = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  for (; fail && *fail && rule_count < MOST_RULES; rule_count++) {
    char from[24];
    if (sscanf(fail, "%63[^:]:%23[^=]=%d", rules[rule_count].call, from, &rules[rule_count].code) != 3) {
      fprintf(stderr, "CUDA_TRACE_FAIL: `%s` is not CALL:NTH=CODE\n", fail);
      abort();
    }
    rules[rule_count].from = atol(from);
    rules[rule_count].to = strchr(from, '+') ? INT32_MAX : rules[rule_count].from;
    fail = strchr(fail, ',');
    if (fail) fail++;
  }
}

/* Records a call and returns the code that it must end with: 0 unless a rule names it. */
__attribute__((format(printf, 2, 3))) static int record(const char *call, const char *facts, ...) {
  int code = 0;
  for (int i = 0; i < rule_count; i++) {
    if (strcmp(rules[i].call, call)) continue;
    long nth = __atomic_add_fetch(&rules[i].seen, 1, __ATOMIC_SEQ_CST);
    if (nth >= rules[i].from && nth <= rules[i].to) code = rules[i].code;
  }
  if (trace_file >= 0) {
    char line[768];
    int length = snprintf(line, sizeof line - 32, "%ld %s ", (long)syscall(SYS_gettid), call);
    va_list list;
    va_start(list, facts);
    length += vsnprintf(line + length, sizeof line - 32 - length, facts, list);
    va_end(list);
    if (length > (int)sizeof line - 33) length = sizeof line - 33;
    length += snprintf(line + length, 32, code ? " failed=%d\n" : "\n", code);
    if (write(trace_file, line, length) != length) abort();
  }
  return code;
}

/* First statement of a recorded function: ends it where it has to fail. */
#define RECORD(call, ...)                  \
  do {                                     \
    int code_ = record(call, __VA_ARGS__); \
    if (code_) return code_;               \
  } while (0)

/* A function of which only the call matters; more arguments than it reads do no harm in the C convention. */
#define PLAIN(call) \
  EXPORT int call(void) { return record(#call, "%s", ""); }

/* "Device" memory is the host's, so that copies copy. */
static void *take(size_t bytes) { return aligned_alloc(256, (bytes + 511) / 256 * 256); }

static inline int devices(void) {
  const char *count = getenv("CUDA_TRACE_DEVICES");
  return count ? atoi(count) : 1;
}

#endif
