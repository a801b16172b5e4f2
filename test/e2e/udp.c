/*
 * What busybox' nc cannot do: UDP. Compiled by the tests and mounted into their pods.
 *   udp serve PORT          answers every datagram with "<hostname> saw <client's address>"
 *   udp ask ADDRESS PORT    sends one datagram and prints the answer; fails after two seconds, or when the port is refused
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int serve(int fd, struct sockaddr_in local) {
  char host[64], answer[128], buffer[512];
  if (gethostname(host, sizeof host) < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0) return perror("bind"), 1;
  for (;;) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    if (recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &length) < 0) return perror("recvfrom"), 1;
    int size = snprintf(answer, sizeof answer, "%s saw %s\n", host, inet_ntoa(peer.sin_addr));
    if (sendto(fd, answer, size, 0, (struct sockaddr *)&peer, length) < 0) perror("sendto");
  }
}

static int ask(int fd, struct sockaddr_in server) {
  char answer[128];
  struct timeval patience = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 || send(fd, "hello", 5, 0) < 0) return perror("send"), 1;
  ssize_t size = recv(fd, answer, sizeof answer, 0);
  if (size < 0) return perror("recv"), 1;
  return fwrite(answer, 1, size, stdout) == (size_t)size ? 0 : 1;
}

int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (argc == 3 && strcmp(argv[1], "serve") == 0) {
    address.sin_port = htons(atoi(argv[2]));
    return serve(fd, address);
  }
  if (argc == 4 && strcmp(argv[1], "ask") == 0 && inet_pton(AF_INET, argv[2], &address.sin_addr) == 1) {
    address.sin_port = htons(atoi(argv[3]));
    return ask(fd, address);
  }
  fprintf(stderr, "usage: udp serve PORT | udp ask ADDRESS PORT\n");
  return 2;
}
