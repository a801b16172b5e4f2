/**
 * The control plane of a simulated world, made of the real parts: the API server with its whole filter chain, all controllers, and the
 * scheduler. Each part is a simulated process: it can be killed between any two steps, and nothing that it has started continues.
 */
import { pino } from 'pino';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { Client } from '#client/client.ts';
import { sleep } from '#client/clock.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import { frozenClient } from '#client/frozen-client.ts';
import { createInformers } from '#client/informers.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import type { VirtualTime } from '#client/virtual-time.ts';
import { admissionPlugins } from '#control/apiserver/admission/plugins/index.ts';
import { type ApiServer, createApiServer } from '#control/apiserver/api-server.ts';
import { componentUser, controllerUser } from '#control/apiserver/authentication/component-users.ts';
import { createAuthorization } from '#control/apiserver/authorization/modes.ts';
import { createBuiltInCatalog } from '#control/apiserver/kinds/built-in-catalog.ts';
import { ComponentChecks } from '#control/apiserver/kinds/core/componentstatus/component-checks.ts';
import { createServiceAllocator } from '#control/apiserver/kinds/core/service/allocator.ts';
import { createObjectPatcher } from '#control/apiserver/patch/object-patcher.ts';
import type { UserInfo } from '#control/apiserver/registry/strategy.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { runControllers } from '#control/controllers/index.ts';
import { createScheduler } from '#control/scheduler/scheduler.ts';
import type { Store } from '#control/store/store.ts';
import type { Endpoint, Network } from './network.ts';
import { type Process, startProcess } from './process.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';

/** tolerationSeconds of pods for nodes that are not ready. It is short because a world lasts only minutes. */
export const tolerationSeconds = 30;

/** The dependencies of the control plane. */
export interface ControlPlaneDeps {
  time: VirtualTime;
  random: Random;
  store: Store;
  network: Network;
  trace: Trace;
}

/** A part that runs. */
export type Part = 'apiserver' | 'controllers' | 'scheduler';

/** The parts of the control plane, each of which may be running or not. */
export class ControlPlane {
  server: ApiServer | undefined;
  readonly #deps: ControlPlaneDeps;
  readonly #running = new Map<Part, Process>();
  readonly #freezes: boolean;

  constructor(deps: ControlPlaneDeps) {
    this.#deps = deps;
    this.#freezes = deps.random.fork('freezes').chance(0.1);
  }

  isRunning(part: Part): boolean {
    return this.#running.has(part);
  }

  /** Starts a part that does not run. */
  start(part: Part): void {
    if (this.#running.has(part)) return;
    this.#deps.trace.note(`start ${part}`);
    const process = startProcess(part, this.#deps.time);
    this.#running.set(part, process);
    if (part === 'apiserver') this.#serve(process);
    else if (part === 'controllers') this.#control(process);
    else this.#schedule(process);
  }

  /** Kills a part at once, between two steps. Its unfinished work is lost. */
  crash(part: Part): void {
    const process = this.#running.get(part);
    if (process === undefined) return;
    this.#deps.trace.note(`crash ${part}`);
    this.#running.delete(part);
    process.kill();
    if (part !== 'apiserver') return;
    this.server = undefined;
    this.#deps.network.breakConnections('read ECONNRESET (the API server has ended)');
  }

  #serve(process: Process): void {
    const { random } = this.#deps;
    const { clock } = process;
    const store = storeOf(this.#deps.store, process, random.fork(`store ${clock.monotonic()}`));
    const chance = random.fork(`apiserver ${clock.monotonic()}`).next;
    const services = createServiceAllocator({ store, clock, log: silentLog, random: chance }, { serviceCidr: '10.96.0.0/16' });
    const authorization = createAuthorization(['Node', 'RBAC']);
    const components = new ComponentChecks(clock);
    const catalog = createBuiltInCatalog({ clock, services, components, authorization, random: chance });
    const server = createApiServer(
      {
        store,
        clock,
        log: silentLog,
        catalog,
        patcher: createObjectPatcher(),
        admission: admissionPlugins({
          random: chance,
          tolerationSeconds: { notReady: tolerationSeconds, unreachable: tolerationSeconds },
          authorizer: authorization.authorizer,
          catalog: catalog.resources,
        }),
        authorization,
        random: chance,
      },
      { build: { version: 'simulation' } },
    );
    server.run(process.signal).catch((error: unknown) => this.#deps.trace.note(`the API server has failed: ${String(error)}`));
    void server.ready.then(() => {
      if (process.isAlive) this.server = server;
    });
  }

  #control(process: Process): void {
    const { clock } = process;
    const log = pino({ level: 'silent' });
    const client = this.client(process, componentUser('kube-controller-manager'), 'kube-controller-manager');
    const random = this.#deps.random.fork(`controllers ${clock.monotonic()}`).next;
    const running = runControllers(
      {
        client,
        clientOf: (account) => this.client(process, controllerUser(account), `kube-controller-manager/${account}`),
        catalog: createResourceCatalog(),
        clock,
        log,
        random,
        leftOut: createLeftOutReporter({ events: { event: () => undefined }, log }),
      },
      {},
      process.signal,
    );
    running.catch((error: unknown) => this.#deps.trace.note(`the controllers have failed: ${String(error)}`));
  }

  #schedule(process: Process): void {
    const { clock } = process;
    const log = pino({ level: 'silent' });
    const client = this.client(process, componentUser('kube-scheduler'), 'kube-scheduler');
    const random = this.#deps.random.fork(`scheduler ${clock.monotonic()}`).next;
    const informers = createInformers({ client, clock, log, random });
    const events = createEventRecorder({ client, clock, log, component: 'default-scheduler', random });
    const leftOut = createLeftOutReporter({ events, log });
    const scheduler = createScheduler({ client, informers, clock, random, log, events, leftOut });
    const fail = (error: unknown): void => this.#deps.trace.note(`the scheduler has failed: ${String(error)}`);
    scheduler.run(process.signal).catch(fail);
    informers.run(process.signal).catch(fail);
  }

  /**
   * A client of a process. In some worlds (it costs time), objects of lists and watches are frozen, because caches share them and nobody
   * may change them.
   */
  client(process: Endpoint & Pick<Process, 'clock' | 'signal'>, user: UserInfo, userAgent: string): Client {
    const { network } = this.#deps;
    const client = createClient(network.transport(process, user), { userAgent, clock: process.clock, signal: process.signal });
    return this.#freezes ? frozenClient(client) : client;
  }
}

/** Longest simulated duration of a write to disk, in ms. */
const maxWriteMs = 2;

/**
 * The store as one process sees it. A write takes some time, in which other requests may run. After the process was killed, its writes have
 * no effect and get no answer.
 */
function storeOf(store: Store, process: Process, random: Random): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const call = (args: unknown[]): unknown => (process.isAlive ? Reflect.apply(value, target, args) : never);
      const answered = async (args: unknown[], delayMs: number): Promise<unknown> => {
        if (delayMs > 0) await sleep(process.clock, delayMs);
        const answer: unknown = await call(args);
        return process.isAlive ? answer : never;
      };
      if (name === 'put' || name === 'delete') return (...args: unknown[]) => answered(args, random.between(0, maxWriteMs));
      return (...args: unknown[]): unknown => {
        const result = call(args);
        return result instanceof Promise ? result.then((answer: unknown) => (process.isAlive ? answer : never)) : result;
      };
    },
  });
}
const never = new Promise<never>(() => undefined);
