/**
 * The initial store of every world: a cluster that has just been set up. The real bootstrap and controllers make it once per thread, and
 * each world starts with a copy.
 */

import { pino } from 'pino';
import { createEventRecorder } from '#client/event-recorder.ts';
import { createClient } from '#client/rest-client.ts';
import { componentUser } from '#control/apiserver/authentication/component-users.ts';
import { bootstrapRoles } from '#control/apiserver/authorization/rbac/bootstrap-roles.ts';
import { defaultPolicy } from '#control/apiserver/authorization/rbac/policy/default-policy.ts';
import { bootstrapOnce } from '#control/apiserver/bootstrap.ts';
import { DefaultServiceCidr, defaultServiceCidrComponent } from '#control/apiserver/default-service-cidr.ts';
import { ensureFlowControl } from '#control/apiserver/flowcontrol/ensure-objects.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { type MemorySnapshot, MemoryStore } from '#control/store/memory.ts';
import { ControlPlane } from './control-plane.ts';
import type { Host } from './host.ts';
import { HollowKubelet, nodeNames, nodeShape } from './kubelet.ts';
import { Network } from './network.ts';
import { createRandom } from './random.ts';

/** Simulated time in seconds for the controllers to create the standard objects (service accounts, …). */
const settleSeconds = 30;

/** @throws Error when the cluster cannot be set up */
export async function layFoundation(host: Host): Promise<MemorySnapshot> {
  host.begin('foundation');
  const { time } = host;
  const random = createRandom('foundation');
  const trace = { note: (): void => undefined };
  const store = new MemoryStore({ clock: time });
  let plane: ControlPlane | undefined;
  const network = new Network({
    time,
    random: random.fork('network'),
    trace,
    observer: { arrived: () => undefined, twice: () => undefined, ended: () => undefined },
    served: () => {
      const server = plane?.server;
      return server === undefined ? undefined : (request, user) => inProcessTransport(server, user)(request);
    },
  });
  plane = new ControlPlane({ time, random, store, network, trace });
  plane.start('apiserver');
  await pass(host, () => plane?.server !== undefined, settleSeconds);
  const { server } = plane;
  if (server === undefined) throw new Error('the API server of the foundation has not started');
  const client = createClient(inProcessTransport(server, componentUser('apiserver')), { userAgent: 'apiserver', clock: time });
  const log = pino({ level: 'silent' });
  const events = createEventRecorder({ client, clock: time, log, component: defaultServiceCidrComponent });
  let isDone = false;
  const bootstrapping = (async () => {
    await new DefaultServiceCidr({ client, clock: time, log: silentLog, events }, ['10.96.0.0/16']).sync();
    await bootstrapOnce(client, { serviceIp: '10.96.0.1', advertiseAddress: '192.0.2.1', securePort: 6443 });
    await ensureFlowControl(client);
    await bootstrapRoles(client, defaultPolicy(), time, silentLog, new AbortController().signal);
    isDone = true;
  })();
  await pass(host, () => isDone, settleSeconds);
  await bootstrapping;
  plane.start('controllers');
  const kubelets = nodeNames.map((name) => new HollowKubelet(name, nodeShape(name), { time, random, plane, trace }));
  for (const kubelet of kubelets) kubelet.start();
  await pass(host, () => false, settleSeconds);
  for (const kubelet of kubelets) kubelet.die();
  plane.crash('controllers');
  plane.crash('apiserver');
  return store.snapshot();
}

async function pass({ time, settle }: Host, isDone: () => boolean, seconds: number): Promise<void> {
  const endMs = time.monotonic() + seconds * 1000;
  await settle();
  while (!isDone() && (time.nextMs() ?? Infinity) <= endMs) {
    time.step();
    await settle();
  }
}
