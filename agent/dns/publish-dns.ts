/**
 * Makes this node's DNS server reachable for pods. It writes the Service `kube-system/kube-dns` with the cluster's DNS address,
 * and an EndpointSlice with this node's address. The Service has `internalTrafficPolicy: Local`, so every pod asks the server of
 * its own node and a dead node disturbs no other node's DNS.
 *
 * Writes: Service kube-system/kube-dns, EndpointSlice kube-system/kube-dns-<node>. The Node owns the slice, so the garbage
 * collector deletes the slice with its Node.
 */

import type { Logger } from 'pino';
import type { New } from '#api/meta.ts';
import { sameJson } from '#api/meta.ts';
import { managedByLabel, serviceNameLabel } from '#api/service-labels.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#api/status.ts';
import type { EndpointSlice, Node, Service } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';

/** Configuration of {@link publishDns}. */
export interface PublishDnsOptions {
  nodeName: string;
  /** The address on which this node's server listens, port 53. */
  nodeIp: string;
  /** The cluster IP of the Service: the address of `--cluster-dns`. */
  clusterIp: string;
}

const namespace = 'kube-system';
const serviceName = 'kube-dns';
const resyncMs = 60_000;
const retryMs = 1000;

/** What {@link publishDns} works with. */
export interface PublishDnsDeps {
  client: Client;
  nodes: Informer<Node>;
  services: Informer<Service>;
  endpointSlices: Informer<EndpointSlice>;
  clock: Clock;
  log: Logger;
}

/**
 * Writes Service and slice, and keeps them as they should be until `signal` aborts. They are written again at once when one of
 * them, or the Node, was deleted and made again.
 */
export async function publishDns(deps: PublishDnsDeps, options: PublishDnsOptions, signal: AbortSignal): Promise<void> {
  const { client, nodes, services, endpointSlices, clock, log } = deps;
  let pause = new AbortController();
  const unsubscribe = [
    nodes.subscribe({ added: ({ metadata }) => void (metadata.name === options.nodeName && pause.abort()) }),
    services.subscribe({
      deleted: ({ metadata }) => void (metadata.namespace === namespace && metadata.name === serviceName && pause.abort()),
    }),
    endpointSlices.subscribe({
      deleted: ({ metadata }) =>
        void (metadata.namespace === namespace && metadata.name === sliceName(options.nodeName) && pause.abort()),
    }),
  ];
  while (!signal.aborted) {
    pause = new AbortController();
    let delayMs = resyncMs;
    try {
      await publish(client, options);
    } catch (error) {
      // The kubelet registers the Node at the same time. Until the Node exists, the slice cannot have it as its owner.
      log.debug({ err: error }, 'dns: not published yet');
      delayMs = retryMs;
    }
    await sleep(clock, delayMs, AbortSignal.any([pause.signal, signal]));
  }
  for (const off of unsubscribe) off();
}

const sliceName = (nodeName: string): string => `kube-dns-${nodeName}`;

async function publish(client: Client, options: PublishDnsOptions): Promise<void> {
  const node = await client.resource('nodes').get({ name: options.nodeName });
  await unlessExists(client.resource('services').create(dnsService(options.clusterIp)));
  const wanted = dnsSlice(node, options);
  const slices = client.resource('endpointslices.discovery.k8s.io');
  const current = await slices.get({ namespace, name: wanted.metadata.name ?? '' }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  if (current === undefined) await unlessExists(slices.create(wanted));
  else if (
    !sameJson(
      [current.endpoints, current.ports, current.metadata.ownerReferences],
      [wanted.endpoints, wanted.ports, wanted.metadata.ownerReferences],
    )
  ) {
    await slices.update({
      ...current,
      ...wanted,
      metadata: { ...current.metadata, ownerReferences: wanted.metadata.ownerReferences },
    });
  }
}

async function unlessExists(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    // The agent of another node has written the Service first: this is no failure.
    if (!isAlreadyExists(error) && !isConflict(error)) throw error;
  }
}

function dnsService(clusterIP: string): New<Service> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: serviceName,
      namespace,
      // kubeadm sets these labels. `kubectl cluster-info` finds the Service by the second one.
      labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
    },
    spec: {
      clusterIP,
      internalTrafficPolicy: 'Local',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  };
}

function dnsSlice(node: Node, { nodeName, nodeIp }: PublishDnsOptions): New<EndpointSlice> {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: sliceName(nodeName),
      namespace,
      labels: { [serviceNameLabel]: serviceName, [managedByLabel]: 'tinker-agent' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid }],
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [nodeIp], nodeName, conditions: { ready: true, serving: true, terminating: false } }],
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
  };
}
