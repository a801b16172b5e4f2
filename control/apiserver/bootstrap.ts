/**
 * Creates the objects of every cluster: the system namespaces, and the `kubernetes` Service with its endpoints, by which pods reach the API
 * server.
 *
 * Source: kubernetes `pkg/controlplane/controller/{systemnamespaces,kubernetesservice}`, `pkg/controlplane/reconcilers`.
 */

import { isIP } from 'node:net';
import type { New } from '#api/meta.ts';
import { sameJson } from '#api/meta.ts';
import { serviceNameLabel } from '#api/service-labels.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#api/status.ts';
import type { EndpointSlice, Endpoints, Namespace, PriorityClass, Service } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { systemPriorityClasses } from './kinds/scheduling/priorityclass/system-classes.ts';
import { onlyAddress, type ServerAddresses } from './server-addresses.ts';
import type { ServerLog } from './serving/server-log.ts';

/** Addresses of the `kubernetes` Service. */
export interface BootstrapOptions {
  /** First address of the service range: `10.96.0.1`. */
  serviceIp: string;
  /** This server's address for pods. */
  advertiseAddress: string;
  securePort: number;
  /** All servers of the store. Absent: this is the only one. */
  addresses?: ServerAddresses | undefined;
}

const priorityClasses = 'priorityclasses.scheduling.k8s.io';
const systemNamespaces = ['kube-system', 'kube-public', 'kube-node-lease', 'default'];
/** Upstream's `--endpoint-reconciler-interval`, and the interval at which it repairs the namespaces. */
const repairIntervalMs = 10_000;

/** Creates missing objects. Idempotent. @throws ApiError */
export async function bootstrapOnce(client: Client, options: BootstrapOptions): Promise<void> {
  await ensureObjects(client, options);
  await reconcileEndpoints(client, options);
}

/**
 * The same when a server starts. As in upstream, it serves even if the endpoints cannot be written: with `--advertise-address=127.0.0.1`
 * clients of this machine reach it, and no pod does.
 * @throws ApiError if the namespaces, priority classes or the Service cannot be created
 */
export async function bootstrapAtStart(client: Client, options: BootstrapOptions, log: ServerLog): Promise<void> {
  await ensureObjects(client, options);
  try {
    await reconcileEndpoints(client, options);
  } catch (error) {
    log.error({ err: error }, 'unable to sync kubernetes service: pods do not reach this server at its --advertise-address');
  }
}

async function ensureObjects(client: Client, options: BootstrapOptions): Promise<void> {
  for (const { name, value, description } of systemPriorityClasses) {
    const made = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value, description };
    await ensure(
      () => client.resource(priorityClasses).get({ name }),
      () => client.resource(priorityClasses).create(made as New<PriorityClass>),
    );
  }
  for (const name of systemNamespaces) {
    await ensure(
      () => client.resource('namespaces').get({ name }),
      () => client.resource('namespaces').create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } } as New<Namespace>),
    );
  }
  const name = { namespace: 'default', name: 'kubernetes' };
  await ensure(
    () => client.resource('services').get(name),
    () => client.resource('services').create(kubernetesService(options)),
  );
}

async function reconcileEndpoints(client: Client, options: BootstrapOptions): Promise<void> {
  const { advertiseAddress } = options;
  // All addresses in an EndpointSlice must be of one family.
  const addresses = (await (options.addresses ?? onlyAddress(advertiseAddress)).renew()).filter(
    (address) => isIP(address) === isIP(advertiseAddress),
  );
  const name = { namespace: 'default', name: 'kubernetes' };
  await reconcile(
    () => client.resource('endpoints').get(name),
    kubernetesEndpoints(addresses, options),
    (object) => client.resource('endpoints').create(object),
    (object) => client.resource('endpoints').update(object),
    ({ subsets }) => subsets,
  );
  await reconcile(
    () => client.resource('endpointslices.discovery.k8s.io').get(name),
    kubernetesSlice(addresses, options),
    (object) => client.resource('endpointslices.discovery.k8s.io').create(object),
    (object) => client.resource('endpointslices.discovery.k8s.io').update(object),
    ({ endpoints, ports }) => ({ endpoints, ports }),
  );
}

/** Creates missing objects periodically until `signal` aborts, and then removes this server's address. */
export async function keepBootstrapped(
  client: Client,
  options: BootstrapOptions,
  clock: Clock,
  log: ServerLog,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await bootstrapOnce(client, options);
    } catch (error) {
      log.warn({ err: error }, 'the system namespaces or the kubernetes service could not be brought in order; trying again');
    }
    await sleep(clock, repairIntervalMs, signal);
  }
  try {
    await options.addresses?.withdraw();
  } catch (error) {
    log.warn({ err: error }, "this server's address is still among those of the store; it goes when its lease ends");
  }
}

async function ensure(get: () => Promise<unknown>, create: () => Promise<unknown>): Promise<void> {
  try {
    await get();
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await create().catch((raced: unknown) => {
      if (!isAlreadyExists(raced)) throw raced;
    });
  }
}

async function reconcile<T extends Endpoints | EndpointSlice>(
  get: () => Promise<T>,
  wanted: New<T>,
  create: (object: New<T>) => Promise<T>,
  update: (object: T) => Promise<T>,
  content: (object: T | New<T>) => unknown,
): Promise<void> {
  try {
    const found = await get();
    if (!sameJson(content(found), content(wanted)))
      await update({ ...found, ...wanted, metadata: { ...found.metadata, labels: wanted.metadata.labels } });
  } catch (error) {
    if (isConflict(error)) return;
    if (!isNotFound(error)) throw error;
    await create(wanted).catch((raced: unknown) => {
      if (!isAlreadyExists(raced)) throw raced;
    });
  }
}

function kubernetesService({ serviceIp, securePort }: BootstrapOptions): New<Service> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      clusterIP: serviceIp,
      clusterIPs: [serviceIp],
      type: 'ClusterIP',
      sessionAffinity: 'None',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: securePort }],
    },
  } as New<Service>;
}

function kubernetesEndpoints(addresses: readonly string[], { securePort }: BootstrapOptions): New<Endpoints> {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    // The EndpointSlice is written here, too, so the mirroring controller must not create another one.
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port: securePort, protocol: 'TCP' }] }],
  } as New<Endpoints>;
}

function kubernetesSlice(addresses: readonly string[], { advertiseAddress, securePort }: BootstrapOptions): New<EndpointSlice> {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { [serviceNameLabel]: 'kubernetes' } },
    addressType: advertiseAddress.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port: securePort, protocol: 'TCP' }],
  } as New<EndpointSlice>;
}
