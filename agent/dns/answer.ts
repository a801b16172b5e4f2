/**
 * What the cluster's DNS says to one question: version 1.1.0 of the Kubernetes DNS specification, with the choices that
 * CoreDNS makes where the specification leaves them open. Pure.
 *
 * Source: github.com/kubernetes/dns, docs/specification.md; coredns.io/plugins/kubernetes.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Answer, RecordType } from 'dns-packet';
import { addressOfReverse, isDnsName, undashed } from './address.ts';
import type { ClusterNames } from './cluster-index.ts';
import { clusterIps, isRecordPort } from './endpoint-addresses.ts';

export interface DnsQuestion {
  /** As asked, case kept: answers repeat it letter by letter. */
  name: string;
  type: RecordType;
}

export interface ZoneOptions {
  /** `cluster.local`. */
  clusterDomain: string;
  ttlSeconds: number;
  /** Addresses at which this server is known: the DNS Service's cluster IPs. */
  serverIps: readonly string[];
}

/** NXDOMAIN: the name does not exist. NOERROR without answers: it exists, with other types. */
export interface Reply {
  kind: 'reply';
  rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL';
  answers: Answer[];
  authorities: Answer[];
  additionals: Answer[];
}

export type Resolution =
  | Reply
  /** Not a name of the cluster. */
  | { kind: 'forward' }
  /** An ExternalName outside the cluster: `answers` leads to `target`, which is resolved upstream. */
  | { kind: 'alias'; answers: Answer[]; target: string };

const schemaVersion = '1.1.0';
const schemaTtlSeconds = 28_800;
/** More records do not fit into a message of 64 KiB, and one service may have millions of addresses with ports. */
const maxTargets = 4096;
/** CNAMEs within the cluster may go in circles. */
const maxAliases = 8;

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

/** One address, and port, that a name stands for. */
interface Target {
  /** The name whose A or AAAA record the address is. */
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

  /** The labels before the cluster domain, in lower case; undefined for a name outside of it. */
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

  /** The names of an address: of the Service that has it, else of every endpoint that does. */
  pointers(address: string): string[] {
    const service = this.#names.serviceByIp(address);
    if (service !== undefined) return [this.#fqdn(service.metadata.name, service.metadata.namespace ?? '')];
    const hosts = this.#names
      .endpointsByIp(address)
      .map((endpoint) => `${endpoint.hostname}.${this.#fqdn(endpoint.service, endpoint.namespace)}`);
    return [...new Set(hosts)].toSorted();
  }

  /** Without answers, the SOA record tells how long the absence may be remembered (RFC 2308). */
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

  /** As `pods insecure`, which kubeadm sets: any address in the name is answered, whether or not a pod has it. */
  #findPod(labels: string[], name: string, rest: string[]): Found {
    const address = undashed(name);
    if (address === undefined || rest.length > 0) return missing;
    return { kind: 'targets', targets: [{ host: `${labels.join('.')}.${this.#domain}`, address, port: undefined }] };
  }

  /** @param rest the labels before the Service's name, last first: nothing, a hostname, or protocol and port */
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
      // CoreDNS: an address is no name to point to.
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
      // A Service without ports still has addresses.
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
    // CoreDNS: equal shares of 100, counted per address.
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

  /** A and AAAA records, or those of one type, each address once. */
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
