/*
 * What no socket API sends: a UDP packet whose source port is 0, with the data of standard input.
 *   udp-port-0 ADDRESS PORT
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count != 3) return fprintf(stderr, "usage: udp-port-0 ADDRESS PORT\n"), 2;
  char packet[1500];
  ssize_t length = read(0, packet + sizeof(struct udphdr), sizeof packet - sizeof(struct udphdr));
  if (length < 0) return perror("read"), 1;
  /* A checksum of 0 says that there is none. */
  struct udphdr header = {.uh_sport = 0, .uh_dport = htons(atoi(words[2])), .uh_ulen = htons(sizeof header + length)};
  memcpy(packet, &header, sizeof header);
  struct sockaddr_in server = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, words[1], &server.sin_addr) != 1) return fprintf(stderr, "no address: %s\n", words[1]), 2;
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
  if (fd < 0) return perror("socket"), 1;
  if (sendto(fd, packet, sizeof header + length, 0, (struct sockaddr *)&server, sizeof server) < 0) return perror("sendto"), 1;
  return 0;
}
