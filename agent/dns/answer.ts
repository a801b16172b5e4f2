/**
 * The answer of the cluster's DNS to one question. It follows version 1.1.0 of the Kubernetes DNS specification, and CoreDNS
 * where the specification leaves a choice. Pure.
 *
 * Source: github.com/kubernetes/dns, docs/specification.md; coredns.io/plugins/kubernetes.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Answer, RecordType } from 'dns-packet';
import { addressOfReverse, isDnsName, undashed } from './address.ts';
import type { ClusterNames } from './cluster-index.ts';
import { clusterIps, isRecordPort } from './endpoint-addresses.ts';

/** One question of class IN. */
export interface DnsQuestion {
  /** The name as the client wrote it: the answer repeats upper and lower case unchanged. */
  name: string;
  type: RecordType;
}

/** What the answers depend on besides the objects of the cluster. */
export interface ZoneOptions {
  /** The cluster's zone, usually `cluster.local`. */
  clusterDomain: string;
  ttlSeconds: number;
  /** Addresses under which pods know this server: the cluster IPs of the DNS Service. */
  serverIps: readonly string[];
}

/**
 * What a reply contains. NXDOMAIN: the name does not exist. NOERROR without answers: the name exists, but has no record of the
 * type that was asked.
 */
export interface Reply {
  kind: 'reply';
  rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL';
  answers: Answer[];
  authorities: Answer[];
  additionals: Answer[];
}

/** What the server must do with a question: send a reply, or ask the node's resolvers. */
export type Resolution =
  | Reply
  /** The name is outside of the cluster domain: the node's resolvers are asked. */
  | { kind: 'forward' }
  /**
   * The name of an ExternalName Service whose target is outside the cluster: `answers` ends in a CNAME to `target`, and the
   * node's resolvers are asked for `target`.
   */
  | { kind: 'alias'; answers: Answer[]; target: string };

const schemaVersion = '1.1.0';
const schemaTtlSeconds = 28_800;
/**
 * Limit of addresses and ports in one answer. A message of 64 KiB holds no more records, while one Service may have millions of
 * address and port pairs.
 */
const maxTargets = 4096;
/** Limit of CNAMEs that are followed: ExternalName Services may point at each other in a loop. */
const maxAliases = 8;

/**
 * Answers one question from the objects in `names`. A CNAME loop, or `names` that are not complete yet, give SERVFAIL. Pure, and
 * does not throw.
 */
export function answer(question: DnsQuestion, names: ClusterNames, options: ZoneOptions): Resolution {
  const zone = new Zone(names, options);
  const labels = zone.labelsOf(question.name);
  if (labels !== undefined) return names.complete ? zone.answer(question, labels, maxAliases) : zone.reply('SERVFAIL');
  const address = question.type === 'PTR' ? addressOfReverse(question.name) : undefined;
  const pointers = address === undefined ? [] : zone.pointers(address);
  if (pointers.length === 0) return { kind: 'forward' };
  return zone.reply(
    'NOERROR',
    pointers.map((data) => zone.record(question.name, 'PTR', data)),
  );
}

/** One address that a name stands for, with a port for SRV records. */
interface Target {
  /** The name of the A or AAAA record that holds the address. */
  host: string;
  address: string;
  port: number | undefined;
}

type Found = { kind: 'missing' } | { kind: 'targets'; targets: Target[] } | { kind: 'alias'; target: string };
const missing: Found = { kind: 'missing' };
const empty: Found = { kind: 'targets', targets: [] };

class Zone {
  readonly #names: ClusterNames;
  readonly #domain: string;
  readonly #options: ZoneOptions;

  constructor(names: ClusterNames, options: ZoneOptions) {
    this.#names = names;
    this.#options = options;
    this.#domain = options.clusterDomain.toLowerCase().replace(/\.$/, '');
  }

  /** The labels before the cluster domain, in lower case. Undefined for a name outside of the cluster domain. */
  labelsOf(name: string): string[] | undefined {
    const lower = name.toLowerCase().replace(/\.$/, '');
    if (lower === this.#domain) return [];
    return lower.endsWith(`.${this.#domain}`) ? lower.slice(0, -this.#domain.length - 1).split('.') : undefined;
  }

  answer({ name, type }: DnsQuestion, labels: string[], aliasesLeft: number): Resolution {
    if (labels.length === 0 && type === 'SOA') return this.reply('NOERROR', [this.#soa()]);
    if (labels.length === 0 && type === 'NS') {
      return this.reply(
        'NOERROR',
        [this.record(name, 'NS', this.#serverName())],
        this.#addresses(this.#serverName(), this.#ownTargets()),
      );
    }
    if (labels.join('.') === 'dns-version') {
      return type === 'TXT'
        ? this.reply('NOERROR', [{ name, type, ttl: schemaTtlSeconds, data: schemaVersion }])
        : this.reply('NOERROR');
    }
    const found = this.#find(labels);
    if (found.kind === 'missing') return this.reply('NXDOMAIN');
    if (found.kind === 'alias') return this.#alias(name, type, found.target, aliasesLeft);
    if (type === 'SRV') return this.#services(name, found.targets);
    return this.reply('NOERROR', type === 'A' || type === 'AAAA' ? this.#addresses(name, found.targets, type) : []);
  }

  /**
   * The names for a PTR record of an address: the name of the Service with this cluster IP, otherwise the names of all endpoints
   * with this address.
   */
  pointers(address: string): string[] {
    const service = this.#names.serviceByIp(address);
    if (service !== undefined) return [this.#fqdn(service.metadata.name, service.metadata.namespace ?? '')];
    const hosts = this.#names
      .endpointsByIp(address)
      .map((endpoint) => `${endpoint.hostname}.${this.#fqdn(endpoint.service, endpoint.namespace)}`);
    return [...new Set(hosts)].toSorted();
  }

  /** A reply. One without answers carries the SOA record, which says how long a resolver may cache the absence (RFC 2308). */
  reply(rcode: Reply['rcode'], answers: Answer[] = [], additionals: Answer[] = []): Reply {
    const authorities = answers.length === 0 && rcode !== 'SERVFAIL' ? [this.#soa()] : [];
    return { kind: 'reply', rcode, answers, authorities, additionals };
  }

  record(name: string, type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR', data: string): Answer {
    return { name, type, ttl: this.#options.ttlSeconds, data };
  }

  #find(labels: string[]): Found {
    const kind = labels.at(-1);
    if (kind === undefined || (labels.length === 1 && (kind === 'svc' || kind === 'pod' || kind === 'dns'))) return empty;
    if (labels.join('.') === 'ns.dns') return { kind: 'targets', targets: this.#ownTargets() };
    const [namespace = '', name, ...rest] = labels.toReversed().slice(1);
    if ((kind !== 'svc' && kind !== 'pod') || !this.#names.hasNamespace(namespace)) return missing;
    if (name === undefined) return empty;
    return kind === 'svc' ? this.#findService(namespace, name, rest) : this.#findPod(labels, name, rest);
  }

  /**
   * Behaves like CoreDNS' `pods insecure`, which kubeadm sets: every address in the name is answered, even when no pod has it.
   */
  #findPod(labels: string[], name: string, rest: string[]): Found {
    const address = undashed(name);
    if (address === undefined || rest.length > 0) return missing;
    return { kind: 'targets', targets: [{ host: `${labels.join('.')}.${this.#domain}`, address, port: undefined }] };
  }

  /** @param rest the labels before the Service's name, in reverse order: none, a hostname, or protocol and port */
  #findService(namespace: string, name: string, rest: string[]): Found {
    const service = this.#names.service(namespace, name);
    if (service === undefined || rest.length > 2) return missing;
    const hostname = rest.length === 1 ? rest[0] : undefined;
    const [protocol, port] = rest.length === 2 ? rest.map((label) => label.replace(/^_/, '')) : [];
    const wanted = (one: { name?: string | undefined; protocol?: string | undefined }): boolean =>
      protocol === undefined ||
      (String(one.protocol ?? 'TCP').toLowerCase() === protocol && String(one.name ?? '').toLowerCase() === port);
    if (service.spec?.type === 'ExternalName') {
      const target = service.spec.externalName ?? '';
      // As CoreDNS does: an externalName that is an IP address gives no CNAME.
      return rest.length > 0 || !isDnsName(target) || isIP(target) !== 0 ? missing : { kind: 'alias', target };
    }
    const ips = clusterIps(service);
    const host = this.#fqdn(name, namespace);
    if (ips.length > 0 && hostname === undefined) {
      const ports = (service.spec?.ports ?? []).filter((one) => isRecordPort(one.port) && wanted(one));
      const targets = ports.flatMap(({ port: number }) => ips.map((address) => ({ host, address, port: number })));
      return targets.length === 0 ? missing : { kind: 'targets', targets };
    }
    const endpoints = this.#names
      .endpoints(namespace, name)
      .filter((one) => hostname === undefined || one.hostname.toLowerCase() === hostname);
    const targets: Target[] = [];
    for (const { hostname: own, address, ports } of endpoints) {
      const numbers = ports.filter(wanted).map(({ port: number }): number | undefined => number);
      // A Service without ports has A and AAAA records all the same.
      const found = ports.length === 0 && protocol === undefined ? [undefined] : numbers;
      for (const number of found.slice(0, maxTargets - targets.length))
        targets.push({ host: `${own}.${host}`, address, port: number });
      if (targets.length >= maxTargets) break;
    }
    return targets.length === 0 ? missing : { kind: 'targets', targets };
  }

  #alias(name: string, type: RecordType, target: string, aliasesLeft: number): Resolution {
    const cname = this.record(name, 'CNAME', target);
    if (type === 'CNAME') return this.reply('NOERROR', [cname]);
    if (type !== 'A' && type !== 'AAAA') return this.reply('NOERROR');
    const labels = this.labelsOf(target);
    if (labels === undefined) return { kind: 'alias', answers: [cname], target };
    if (aliasesLeft === 0) return this.reply('SERVFAIL');
    const rest = this.answer({ name: target, type }, labels, aliasesLeft - 1);
    return rest.kind === 'forward' ? rest : { ...rest, answers: [cname, ...rest.answers] };
  }

  #services(name: string, targets: readonly Target[]): Reply {
    const withPort = targets.filter((target): target is Target & { port: number } => target.port !== undefined);
    // As CoreDNS computes the weight: 100 divided by the number of addresses.
    const weight = Math.max(1, Math.floor(100 / Math.max(1, withPort.length)));
    const services = new Map(withPort.map(({ host, port }) => [`${host}:${port}`, { priority: 0, weight, port, target: host }]));
    const answers = Array.from(services.values(), (data): Answer => ({ name, type: 'SRV', ttl: this.#options.ttlSeconds, data }));
    const hosts = Map.groupBy(withPort, ({ host }) => host);
    return this.reply(
      'NOERROR',
      answers,
      [...hosts].flatMap(([host, of]) => this.#addresses(host, of)),
    );
  }

  /** The A and AAAA records of the targets, or only those of `type`. Each address appears once. */
  #addresses(name: string, targets: readonly Target[], type?: 'A' | 'AAAA'): Answer[] {
    const addresses = [...new Set(targets.map(({ address }) => address))];
    return [
      ...(type === 'AAAA' ? [] : addresses.filter(isIPv4).map((address) => this.record(name, 'A', address))),
      ...(type === 'A' ? [] : addresses.filter(isIPv6).map((address) => this.record(name, 'AAAA', address))),
    ];
  }

  #ownTargets(): Target[] {
    return this.#options.serverIps.map((address) => ({ host: this.#serverName(), address, port: undefined }));
  }

  #serverName(): string {
    return `ns.dns.${this.#domain}`;
  }

  #fqdn(service: string, namespace: string): string {
    return `${service}.${namespace}.svc.${this.#domain}`;
  }

  #soa(): Answer {
    const { ttlSeconds } = this.#options;
    const data = {
      mname: this.#serverName(),
      rname: `hostmaster.${this.#domain}`,
      serial: this.#names.serial,
      refresh: 7_200,
      retry: 1_800,
      expire: 86_400,
      minimum: ttlSeconds,
    };
    return { name: this.#domain, type: 'SOA', ttl: ttlSeconds, data };
  }
}
