/* The far side of a sweep: a TUN device whose other end answers SYNs as it is told.
 *
 * responder -t DEVICE -f LIST [-d MILLISECONDS] [-l LOSS_PER_MILLE] [-s SEED] [-r] [-x] [-w WINDOW]
 *           [-o LOG]
 *
 * LIST has "address port" lines: these answer SYN-ACK. -r: all else answers RST, not silence.
 * -x: each SYN is also answered by a SYN-ACK that acknowledges a wrong number. Loss is each way.
 * -w: a filter on the way that drops each SYN with this window, as a raw scanner sends them.
 * LOG gets 16 bytes for each IPv4 packet: address, port, protocol and flags, nanoseconds.
 * It says "up" when the device is there, and ends with SIGTERM.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define WAITING 262144 /* answers that may be on their way back */
#define LISTENERS 65536
#define ANSWER 40

struct answer {
  uint64_t due;
  uint8_t bytes[ANSWER];
};
struct seen {
  uint32_t address;
  uint16_t port;
  uint8_t protocol, flags;
  uint64_t at;
};

static struct answer queue[WAITING];
static unsigned head, tail;
static uint64_t listeners[LISTENERS];
static size_t count;
static volatile sig_atomic_t over;

static void end(int signal_number) {
  (void)signal_number;
  over = 1;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static uint32_t get32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v) {
  p[0] = v >> 24, p[1] = v >> 16, p[2] = v >> 8, p[3] = v;
}

static uint16_t checksum(const uint8_t *p, int size, uint32_t sum) {
  for (int i = 0; i < size; i += 2) sum += (uint32_t)p[i] << 8 | p[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

static void reply(const uint8_t *ip, const uint8_t *tcp, uint8_t flags, uint32_t off, uint64_t due) {
  if (tail - head >= WAITING) return;
  struct answer *a = &queue[tail++ % WAITING];
  uint8_t *i = a->bytes, *t = i + 20;
  memset(i, 0, ANSWER);
  a->due = due;
  i[0] = 0x45, i[3] = ANSWER, i[6] = 0x40, i[8] = 60, i[9] = 6;
  memcpy(i + 12, ip + 16, 4);
  memcpy(i + 16, ip + 12, 4);
  uint16_t sum = checksum(i, 20, 0);
  i[10] = sum >> 8, i[11] = sum & 255;
  memcpy(t, tcp + 2, 2);
  memcpy(t + 2, tcp, 2);
  put32(t + 4, 0x01020304);
  put32(t + 8, get32(tcp + 4) + 1 + off);
  t[12] = 0x50, t[13] = flags, t[14] = t[15] = flags & 2 ? 0xff : 0;
  uint32_t pseudo = 6 + 20;
  for (int n = 12; n < 20; n += 2) pseudo += (uint32_t)i[n] << 8 | i[n + 1];
  sum = checksum(t, 20, pseudo);
  t[16] = sum >> 8, t[17] = sum & 255;
}

static int tun(const char *name) {
  struct ifreq wanted;
  int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  memset(&wanted, 0, sizeof wanted);
  wanted.ifr_flags = IFF_TUN | IFF_NO_PI;
  snprintf(wanted.ifr_name, sizeof wanted.ifr_name, "%s", name);
  if (file < 0 || ioctl(file, TUNSETIFF, &wanted)) {
    perror("tun");
    exit(1);
  }
  return file;
}

static void read_list(const char *path) {
  char address[64];
  unsigned port;
  FILE *file = fopen(path, "r");
  if (!file) {
    perror(path);
    exit(1);
  }
  while (count < LISTENERS && fscanf(file, "%63s %u", address, &port) == 2)
    listeners[count++] = (uint64_t)ntohl(inet_addr(address)) << 16 | port;
  fclose(file);
  qsort(listeners, count, sizeof *listeners, by_value);
}

int main(int argc, char **argv) {
  const char *device = "tun0", *log_path = 0;
  uint64_t delay = 0;
  int loss = 0, resets = 0, spoofs = 0, window = -1, option;
  while ((option = getopt(argc, argv, "t:f:d:l:s:o:w:rx")) != -1) switch (option) {
      case 't': device = optarg; break;
      case 'f': read_list(optarg); break;
      case 'd': delay = (uint64_t)(atof(optarg) * 1e6); break;
      case 'l': loss = atoi(optarg); break;
      case 's': srand((unsigned)atoi(optarg)); break;
      case 'o': log_path = optarg; break;
      case 'w': window = atoi(optarg); break;
      case 'r': resets = 1; break;
      case 'x': spoofs = 1; break;
      default: return 2;
    }
  int file = tun(device);
  FILE *log = log_path ? fopen(log_path, "wb") : 0;
  signal(SIGTERM, end);
  puts("up");
  fflush(stdout);
  while (!over) {
    uint64_t at = now();
    for (; head != tail && queue[head % WAITING].due <= at; head++)
      if (write(file, queue[head % WAITING].bytes, ANSWER) < 0) break;
    struct pollfd wait = {file, POLLIN, 0};
    poll(&wait, 1, head != tail ? 1 : 50);
    for (int n = 0; n < 256; n++) {
      uint8_t p[2048];
      ssize_t size = read(file, p, sizeof p);
      if (size < 0) break;
      if (size < 28 || p[0] >> 4 != 4) continue;
      const uint8_t *tcp = p + (p[0] & 15) * 4;
      int is_tcp = p[9] == 6 && size >= 40;
      uint32_t to = get32(p + 16);
      uint16_t port = (uint16_t)(tcp[2] << 8 | tcp[3]);
      at = now();
      struct seen seen = {to, port, p[9], is_tcp ? tcp[13] : 0, at};
      if (log) fwrite(&seen, sizeof seen, 1, log);
      if (!is_tcp || (tcp[13] & 0x3f) != 2 || rand() % 1000 < loss) continue;
      if ((tcp[14] << 8 | tcp[15]) == window) continue;
      if (spoofs) reply(p, tcp, 0x12, 1 + (uint32_t)rand() % 0xffff, at + delay);
      uint64_t key = (uint64_t)to << 16 | port;
      int listens = bsearch(&key, listeners, count, sizeof key, by_value) != 0;
      if ((!listens && !resets) || rand() % 1000 < loss) continue;
      reply(p, tcp, listens ? 0x12 : 0x14, 0, at + delay);
    }
  }
  if (log) fclose(log);
  return 0;
}
