/**
 * A world: a whole cluster in one thread, what its users do, and what goes wrong, all decided by one seed.
 *
 *   set up ──▶ chaos (users act, faults come) ──▶ heal ──▶ converge (until every invariant is satisfied) ──▶ stay (nothing changes)
 *
 * Invariants check every change of the store, and the whole state after every step. The first violation ends the world.
 */
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import type { UserInfo } from '#control/apiserver/registry/strategy.ts';
import { type MemorySnapshot, MemoryStore } from '#control/store/memory.ts';
import { ControlPlane } from './control-plane.ts';
import { Excuses } from './excuses.ts';
import { FaultInjection } from './fault-injection.ts';
import { chaosEndMs, chaosStartMs, type Fault, faultText, planFaults } from './faults.ts';
import { History } from './history.ts';
import type { Host } from './host.ts';
import { invariants as allInvariants } from './invariants/index.ts';
import type { Invariant, InvariantOf, Witness } from './invariants/invariant.ts';
import { HollowKubelet, nodeNames, nodeShape } from './kubelet.ts';
import { Model } from './model.ts';
import { type Exchange, Network } from './network.ts';
import { startProcess } from './process.ts';
import { createRandom, type Random } from './random.ts';
import { createScenario, scenariosOf } from './scenarios/index.ts';
import { User } from './scenarios/user.ts';
import { HashedTrace } from './trace.ts';

/** Options of a world. */
export interface WorldOptions {
  seed: string;
  from: MemorySnapshot;
  /** Called with each line of the trace. */
  reader?: ((line: string) => void) | undefined;
  /** Default: all. */
  invariants?: readonly InvariantOf[];
}

/** The result of a world. */
export interface Outcome {
  seed: string;
  scenarios: string[];
  faults: string[];
  /** The first violation; absent when there was none. */
  violation?: { invariant: string; what: string; atMs: number };
  steps: number;
  requests: number;
  writes: number;
  /** Duration of the world in simulated time. */
  lastedMs: number;
  /** Hash of the trace. It is the same for the same seed. */
  hash: string;
}

/** Time in ms after the end of the faults within which the state must converge. */
const convergeMs = 900_000;
/** Time in ms for which the state must then stay unchanged. */
const stayMs = 40_000;
/** Limit of steps. A world that needs more is in an endless loop. */
const maxSteps = 60_000;

const admin: UserInfo = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'], extra: {} };

/** Runs the world of a seed to its end. */
export async function runWorld(host: Host, options: WorldOptions): Promise<Outcome> {
  host.begin(options.seed);
  const world = new World(host, options);
  return await world.run();
}

class World {
  readonly #host: Host;
  readonly #seed: string;
  readonly #random: Random;
  readonly #trace: HashedTrace;
  readonly #store: MemoryStore;
  readonly #network: Network;
  readonly #plane: ControlPlane;
  readonly #model: Model;
  readonly #kubelets = new Map<string, HollowKubelet>();
  readonly #inFlight = new Set<Exchange>();
  readonly #excuses = new Excuses();
  readonly #invariants: Invariant[];
  readonly #scenarios: string[] = [];
  readonly #faults: Fault[];
  readonly #injection: FaultInjection;
  #violation: Outcome['violation'];
  #steps = 0;
  #requests = 0;
  #writes = 0;
  /** Changes of followed objects since the last look. */
  #changes = 0;

  constructor(host: Host, { seed, from, reader, invariants = allInvariants }: WorldOptions) {
    this.#host = host;
    this.#seed = seed;
    const { time } = host;
    this.#random = createRandom(seed);
    this.#trace = new HashedTrace(time, reader);
    this.#store = new MemoryStore({
      clock: time,
      from,
      gate: () => this.#storeWrites('before'),
      committed: (event) => {
        this.#writes += 1;
        this.#trace.note(`  ${event.type} ${event.entry.key} @${event.revision}`);
        this.#model.committed(event);
        this.#storeWrites('after');
      },
    });
    this.#model = new Model(from.entries, () => this.#inFlight);
    this.#network = new Network({
      time,
      random: this.#random.fork('network'),
      trace: this.#trace,
      served: () => {
        const { server } = this.#plane;
        return server === undefined ? undefined : (request, user) => inProcessTransport(server, user)(request);
      },
      observer: {
        arrived: (exchange) => this.#arrived(exchange),
        twice: ({ request }) => this.#excuses.lost(request),
        ended: (exchange) => this.#ended(exchange),
      },
    });
    this.#plane = new ControlPlane({
      time,
      random: this.#random,
      store: this.#store,
      network: this.#network,
      trace: this.#trace,
    });
    this.#injection = new FaultInjection({
      time,
      network: this.#network,
      plane: this.#plane,
      trace: this.#trace,
      killNode: (name) => this.#kubelets.get(name)?.die(),
      startNode: (name) => this.#kubelets.get(name)?.start(),
      addNode: (name) => {
        if (!this.#kubelets.has(name)) this.#addKubelet(name).start();
      },
    });
    for (const name of nodeNames) this.#addKubelet(name);
    this.#faults = planFaults(this.#random.fork('faults'), nodeNames);
    const witness: Witness = {
      model: this.#model,
      network: this.#network,
      kubelets: this.#kubelets,
      nowMs: () => time.monotonic(),
      excuses: (uid) => this.#excuses.of(uid),
      history: <T>() => new History<T>(() => time.monotonic()),
      wasBehind: (resource) => this.#injection.wasBehind(resource),
      violated: (invariant, what) => this.#violated(invariant, what),
    };
    this.#invariants = invariants.map((of) => of(witness));
    this.#model.onChange((change) => {
      this.#changes += 1;
      for (const { changed } of this.#invariants) changed?.(change);
    });
  }

  async run(): Promise<Outcome> {
    await this.#host.settle();
    for (const part of ['apiserver', 'controllers', 'scheduler'] as const) this.#plane.start(part);
    for (const kubelet of this.#kubelets.values()) kubelet.start();
    await this.#pass(1_000);
    const ending = await this.#letUsersIn();
    this.#injection.plan(this.#faults);
    await this.#pass(chaosEndMs - this.#nowMs);
    await this.#until(() => ending.isOver, 600_000);
    this.#heal();
    await this.#converge();
    await this.#stay();
    return this.#outcome();
  }

  get #nowMs(): number {
    return this.#host.time.monotonic();
  }

  async #letUsersIn(): Promise<{ isOver: boolean }> {
    const { time } = this.#host;
    const random = this.#random.fork('users');
    const process = startProcess('user', time);
    const client = this.#plane.client(process, admin, 'kubectl');
    let acting = 0;
    const act = async (work: () => Promise<void>): Promise<void> => {
      acting += 1;
      await work();
      acting -= 1;
    };
    scenariosOf(this.#seed).forEach((name, index) => {
      const user = new User(`w${index + 1}`, { client, clock: time, random, trace: this.#trace, model: this.#model });
      const scenario = createScenario(name, user);
      this.#scenarios.push(name);
      this.#trace.note(`scenario ${name} in ${user.namespace}`);
      void act(async () => {
        await user.create('namespaces', { metadata: { name: user.namespace } });
        // Its default service account comes with it.
        await user.sleep(500);
        await scenario.setUp(user);
      });
      const count = random.between(2, 5);
      for (let acts = 0; acts < count; acts++) {
        const one = random.pick(scenario.acts);
        time.after(random.between(chaosStartMs, chaosEndMs - 10_000) - this.#nowMs, () => void act(() => one(user)));
      }
    });
    return {
      get isOver() {
        return acting === 0;
      },
    };
  }

  #addKubelet(name: string): HollowKubelet {
    const { time } = this.#host;
    const deps = { time, random: this.#random.fork(name), plane: this.#plane, trace: this.#trace };
    const kubelet = new HollowKubelet(name, nodeShape(name), deps);
    this.#kubelets.set(name, kubelet);
    return kubelet;
  }

  #heal(): void {
    this.#trace.note('heal');
    this.#injection.end();
    for (const part of ['apiserver', 'controllers', 'scheduler'] as const) this.#plane.start(part);
    for (const kubelet of this.#kubelets.values()) kubelet.start();
  }

  /** Triggers the crashes that wait for a number of writes. Writes of the store count for the API server. */
  #storeWrites(moment: 'before' | 'after'): void {
    if (!this.#injection.crashes('apiserver', moment)) return;
    if (moment === 'before') throw new Error('the API server has ended before this write');
  }

  #arrived(exchange: Exchange): void {
    this.#inFlight.add(exchange);
    // Crash before the write has an effect: the request is sent, but its sender is gone when it ends.
    if (exchange.request.method !== 'GET') this.#injection.crashes(exchange.from, 'before');
  }

  #ended(exchange: Exchange): void {
    this.#requests += 1;
    this.#inFlight.delete(exchange);
    const { from, user, request, status, failed } = exchange;
    this.#trace.note(`${from} ${shortName(user)} ${request.method} ${request.path} ${failed ?? status}`);
    if (failed !== undefined) this.#excuses.lost(request);
    if (request.method !== 'GET') this.#injection.crashes(from, 'after');
  }

  #violated(invariant: string, what: string): void {
    this.#trace.note(`VIOLATED ${invariant}: ${what}`);
    this.#violation ??= { invariant, what, atMs: this.#nowMs };
  }

  /** One step: fires the next timer, and waits until everything that follows has settled. */
  async #step(): Promise<void> {
    this.#host.time.step();
    try {
      await this.#host.settle();
    } catch (error) {
      this.#violated('every step ends', String(error));
    }
    this.#steps += 1;
    for (const { stepped } of this.#invariants) stepped?.();
    if (this.#steps > maxSteps) this.#violated('the state converges', `not within ${maxSteps} steps`);
  }

  async #pass(ms: number): Promise<void> {
    await this.#until(() => false, ms);
  }

  /** Lets time pass until `isOver`, at most for `ms`. @returns whether it is */
  async #until(isOver: () => boolean, ms: number): Promise<boolean> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      if (this.#violation !== undefined) return false;
      if (isOver()) return true;
      if ((this.#host.time.nextMs() ?? Infinity) > endMs) break;
      await this.#step();
    }
    // A timer at the end makes the clock reach the end of the period.
    this.#host.time.after(Math.max(0, endMs - this.#nowMs), () => undefined);
    await this.#step();
    return false;
  }

  #unmet(): string[] {
    return this.#invariants.flatMap(({ unmet }) => [...(unmet?.() ?? [])]);
  }

  async #converge(): Promise<void> {
    let looked = -1;
    let isMet = false;
    // Evaluate again only after a change.
    const isConverged = (): boolean => {
      if (looked !== this.#changes) {
        looked = this.#changes;
        isMet = this.#unmet().length === 0;
      }
      return isMet;
    };
    if (await this.#until(isConverged, convergeMs)) {
      this.#trace.note('converged');
      return;
    }
    if (this.#violation === undefined) this.#violated('the state converges', this.#unmet().slice(0, 4).join('; '));
  }

  /** After convergence, controllers must not write any more. Requests under way may still arrive in the first seconds. */
  async #stay(): Promise<void> {
    await this.#pass(15_000);
    const before = this.#changes;
    const written: string[] = [];
    this.#model.onChange(({ kind, object }) => written.push(`${kind} ${object.kind} ${object.metadata.name}`));
    await this.#pass(stayMs);
    if (this.#violation !== undefined) return;
    const unmet = this.#unmet();
    if (unmet.length > 0) this.#violated('the state stays', unmet.slice(0, 4).join('; '));
    else if (this.#changes > before)
      this.#violated('the state stays', `${written.length} changes: ${written.slice(0, 4).join(', ')}`);
  }

  #outcome(): Outcome {
    return {
      seed: this.#seed,
      scenarios: this.#scenarios,
      faults: this.#faults.map(faultText),
      ...(this.#violation === undefined ? {} : { violation: this.#violation }),
      steps: this.#steps,
      requests: this.#requests,
      writes: this.#writes,
      lastedMs: this.#nowMs,
      hash: this.#trace.digest(),
    };
  }
}

const shortName = (user: string): string => user.replace('system:serviceaccount:kube-system:', '');
