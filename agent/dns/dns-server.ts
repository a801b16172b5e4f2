/**
 * The cluster's DNS server. It answers cluster names from informers, and sends every other question to the node's resolvers.
 *
 * Watches: Service, EndpointSlice, Namespace.  Writes: nothing.
 * Source: github.com/kubernetes/dns, docs/specification.md (1.1.0); CoreDNS with kubeadm's Corefile.
 */
import { randomBytes } from 'node:crypto';
import type { Answer, DecodedPacket, Question } from 'dns-packet';
import dnsPacket from 'dns-packet';
import type { Logger } from 'pino';
import { type Clock, sleep } from '#client/clock.ts';
import { answer, type Reply } from './answer.ts';
import { ClusterIndex, type ClusterIndexDeps } from './cluster-index.ts';
import { createForwarder, type Forwarder, OverloadError, type Transport, UpstreamError } from './forwarder.ts';
import { bareReply, encodeReply, fitReply, parseQuery, type Query, type ReplyContent, replyLimit } from './message.ts';
import { readNameservers, type Upstream } from './resolv-conf.ts';
import { type Listening, serveSockets } from './sockets.ts';
import { hasShortPointers } from './wire.ts';

/** What the DNS server works with. */
export interface DnsServerDeps extends Omit<ClusterIndexDeps, 'clock'> {
  clock: Clock;
  log: Logger;
  /** Returns a number in [0, 1). It decides the order of the addresses of one name. Default Math.random. */
  random?: (() => number) | undefined;
}

/** Configuration of the DNS server. */
export interface DnsServerOptions {
  /** `--cluster-domain`, usually `cluster.local`. */
  clusterDomain: string;
  /** Addresses to listen on, UDP and TCP. A wildcard address will not do: a reply must come from the address that was asked. */
  addresses: readonly string[];
  /** Port to listen on. Default 53; with 0 the kernel chooses a free one. */
  port?: number | undefined;
  /** Addresses at which pods know this server (the kube-dns Service's cluster IPs). Default: `addresses`. */
  serverIps?: readonly string[] | undefined;
  /** The node's resolvers, or the path of the file that lists them. Default `/etc/resolv.conf`. */
  upstream?: { resolvConf: string } | { servers: readonly Upstream[] } | undefined;
  /** Time to live of the records, in seconds. Default 30, as kubeadm configures it. */
  ttlSeconds?: number | undefined;
  /** Time that each of the node's resolvers has to answer. Default 2000. */
  upstreamTimeoutMs?: number | undefined;
  /**
   * Limit of questions that wait for the node's resolvers at one time (CoreDNS' `max_concurrent`). Default 1000, as kubeadm
   * configures it.
   */
  maxConcurrent?: number | undefined;
}

/** A DNS server that {@link createDnsServer} has made. */
export interface DnsServer {
  /** Serves until `signal` aborts. @throws Error when it cannot listen on one of the addresses */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves to the addresses and ports as soon as the server listens on all of them. */
  readonly listening: Promise<readonly Listening[]>;
}

/** Time that a question waits for the informers' first lists. CoreDNS waits as long before it starts to serve. */
const syncPatienceMs = 5_000;
const resolvConfAgeMs = 5_000;

/** Makes a DNS server. It listens after `run` is called. */
export function createDnsServer(deps: DnsServerDeps, options: DnsServerOptions): DnsServer {
  const { promise: listening, resolve: onListening, reject: onRefused } = Promise.withResolvers<readonly Listening[]>();
  // Without a handler a failure to listen would be an unhandled rejection. The caller gets the error from run().
  listening.catch(() => undefined);
  return {
    listening,
    async run(signal) {
      const names = new ClusterIndex(deps);
      try {
        await untilSynced(deps, signal);
        const handler = createHandler(deps, names, options);
        await serveSockets(
          { handle: handler.handle, log: deps.log, clock: deps.clock },
          options.addresses,
          options.port ?? 53,
          signal,
          (at) => {
            onListening(at);
            handler.probeForLoop();
          },
        );
      } catch (error) {
        onRefused(error);
        throw error;
      } finally {
        names.close();
      }
    },
  };
}

async function untilSynced(
  { services, endpointSlices, namespaces, clock, log }: DnsServerDeps,
  signal: AbortSignal,
): Promise<void> {
  const patience = new AbortController();
  const enough = AbortSignal.any([signal, patience.signal]);
  const synced = Promise.all([services, endpointSlices, namespaces].map((informer) => informer.untilSynced(enough))).then(
    () => true,
    () => false,
  );
  const result = await Promise.race([synced, sleep(clock, syncPatienceMs, enough).then(() => false)]);
  patience.abort();
  if (!result && !signal.aborted) log.warn('dns: serving before the API could be read; cluster names answer SERVFAIL until then');
}

interface Handler {
  handle(message: Buffer, transport: Transport): Promise<Buffer | undefined>;
  /**
   * Sends the node's resolvers a question with a random name. If the server receives the same question, its resolvers forward to
   * itself: a loop.
   */
  probeForLoop(): void;
}

function createHandler(deps: DnsServerDeps, names: ClusterIndex, options: DnsServerOptions): Handler {
  const { clock, log, random = Math.random } = deps;
  const serverIps = options.serverIps ?? options.addresses;
  const zone = { clusterDomain: options.clusterDomain, ttlSeconds: options.ttlSeconds ?? 30, serverIps };
  const forwarder = createForwarder(clock, upstreamsOf(deps, options), {
    timeoutMs: options.upstreamTimeoutMs ?? 2_000,
    maxConcurrent: options.maxConcurrent ?? 1_000,
  });
  const probe = `${randomBytes(8).toString('hex')}.${randomBytes(8).toString('hex')}`;
  let looping = false;

  async function forward(message: Buffer, query: Query, transport: Transport): Promise<Buffer> {
    if (query.question.type === 'HINFO' && query.question.name === probe && !looping) {
      looping = true;
      log.error(
        'dns: the node’s resolvers send questions back to this server; nothing is forwarded any more. Name other resolvers (see --resolv-conf)',
      );
    }
    if (looping) return encodeReply(query, { rcode: 'SERVFAIL', authoritative: false }, transport);
    try {
      return fitReply(await forwarder.forward(message, transport), query, replyLimit(query, transport));
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      log.debug({ err: error, name: query.question.name }, 'dns: not resolved');
      // CoreDNS answers REFUSED when `max_concurrent` is reached.
      const rcode = error instanceof OverloadError ? 'REFUSED' : 'SERVFAIL';
      return encodeReply(query, { rcode, authoritative: false }, transport);
    }
  }

  async function reply(message: Buffer, query: Query, transport: Transport): Promise<Buffer> {
    const { class: dnsClass = 'IN', type } = query.question;
    // Zone transfers are refused, as CoreDNS does: they need many messages and would list every name. An empty answer would claim
    // that the zone is empty.
    if (dnsClass !== 'IN' || type === 'AXFR' || type === 'IXFR')
      return encodeReply(query, { rcode: 'REFUSED', authoritative: false }, transport);
    const found = answer(query.question, names, zone);
    if (found.kind === 'forward') return await forward(message, query, transport);
    const content = found.kind === 'alias' ? await followAlias(forwarder, log, query.question, found) : asContent(found, random);
    return encodeReply(query, content, transport);
  }

  return {
    async handle(message, transport) {
      const parsed = parseQuery(message);
      if (parsed.kind === 'ignore') return undefined;
      if (parsed.kind === 'reject') return parsed.reply;
      // Whatever fails in here, the client must get an answer.
      try {
        return await reply(message, parsed.query, transport);
      } catch (error) {
        log.error({ err: error, question: parsed.query.question }, 'dns: a question could not be answered');
        return bareReply(message, 'SERVFAIL');
      }
    },
    probeForLoop() {
      const message = dnsPacket.encode({
        type: 'query',
        id: 0,
        flags: dnsPacket.RECURSION_DESIRED,
        questions: [{ type: 'HINFO', name: probe }],
      });
      forwarder.forward(message, 'udp').catch((error: unknown) => log.debug({ err: error }, 'dns: loop probe not answered'));
    },
  };
}

const asContent = ({ rcode, answers, authorities, additionals }: Reply, random: () => number): ReplyContent => ({
  rcode,
  authoritative: rcode !== 'SERVFAIL',
  answers: spread(answers, random),
  authorities,
  additionals,
});

/**
 * Rotates the addresses of a name by a random number (CoreDNS' plugin `loadbalance`). A CNAME stays before the records of its
 * target.
 */
function spread(answers: Reply['answers'], random: () => number): Reply['answers'] {
  const aliases = answers.filter(({ type }) => type === 'CNAME');
  const rest = answers.filter(({ type }) => type !== 'CNAME');
  const first = Math.floor(random() * rest.length);
  return [...aliases, ...rest.slice(first), ...rest.slice(0, first)];
}

/** Decodes a resolver's reply. @throws Error when it cannot be decoded, or when decoding would take long */
function decodeReply(bytes: Buffer): DecodedPacket {
  if (!hasShortPointers(bytes)) throw new Error('a reply with chains of pointers');
  return dnsPacket.decode(bytes);
}

/**
 * Whether the record may be passed on as part of an ExternalName's answer: an address or CNAME whose names are plain text. Other
 * names would change when they are encoded again.
 */
const isAddressOrAlias = (record: Answer): boolean =>
  (record.type === 'A' || record.type === 'AAAA' || record.type === 'CNAME') &&
  !`${record.name}${String(record.data)}`.includes('\ufffd');

/** Our own CNAME, followed by the records of its target as the node's resolvers give them. */
async function followAlias(
  forwarder: Forwarder,
  log: Logger,
  question: Question,
  alias: { answers: Reply['answers']; target: string },
): Promise<ReplyContent> {
  const questions = [{ type: question.type, name: alias.target.replace(/\.$/, '') }];
  const query = dnsPacket.encode({ type: 'query', id: 0, flags: dnsPacket.RECURSION_DESIRED, questions });
  try {
    let reply = decodeReply(await forwarder.forward(query, 'udp'));
    if (reply.flag_tc) reply = decodeReply(await forwarder.forward(query, 'tcp'));
    const { rcode } = reply as { rcode?: string };
    if (rcode === 'NOERROR' || rcode === 'NXDOMAIN')
      return { rcode, authoritative: true, answers: [...alias.answers, ...(reply.answers ?? []).filter(isAddressOrAlias)] };
    log.debug({ target: alias.target, rcode }, 'dns: an ExternalName was not resolved');
  } catch (error) {
    // No resolver answered, or the reply could not be decoded. The client gets SERVFAIL and may ask again.
    log.debug({ target: alias.target, err: error }, 'dns: an ExternalName was not resolved');
  }
  return { rcode: 'SERVFAIL', authoritative: false };
}

/** The node's resolvers, without this server's own addresses. A changed resolv.conf is noticed within seconds. */
function upstreamsOf({ clock, log }: DnsServerDeps, options: DnsServerOptions): () => Promise<readonly Upstream[]> {
  const source = options.upstream ?? { resolvConf: '/etc/resolv.conf' };
  const own = new Set([...options.addresses, ...(options.serverIps ?? [])]);
  const others = (upstreams: readonly Upstream[]): Upstream[] =>
    upstreams.filter(({ address, port }) => !(own.has(address) && port === (options.port ?? 53)));
  if ('servers' in source) return async () => others(source.servers);
  let known: Upstream[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.now() - readAtMs < resolvConfAgeMs) return known;
    readAtMs = clock.now();
    try {
      known = others(await readNameservers(source.resolvConf));
    } catch (error) {
      log.warn({ err: error, path: source.resolvConf }, 'dns: the node’s resolvers cannot be read');
    }
    return known;
  };
}
