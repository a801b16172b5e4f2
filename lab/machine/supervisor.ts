/**
 * Keeps the services of a machine running, as systemd does on a real one: starts those that are enabled, starts those again that have ended, and
 * stops all of them when the machine is switched off.
 */

import type { ServiceEnd, ServiceProcess, ServiceSpec } from '#agent/host/service-process.ts';
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep, within } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { Unit } from './unit-file.ts';

/** What {@link Supervisor} works with. */
export interface SupervisorDeps {
  start(spec: ServiceSpec): Promise<ServiceProcess>;
  /** The units that are there now, with their newest text. Those that cannot be read are left out, and told. */
  units(): Promise<readonly Unit[]>;
  /** Where a service's output goes. */
  logFile(name: string): string;
  clock: Clock;
  tell(message: string): void;
  /** The environment of every service. */
  env: Readonly<Record<string, string>>;
}

/** A service that runs so long counts as good: when it ends, it is started again without delay. */
const steadyMs = 10_000;
const longestDelayMs = 5_000;

/** The services of one machine. */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  /** By name: what ends the service's loop, and the loop. */
  readonly #services = new Map<string, { stop: AbortController; done: Promise<void> }>();

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
  }

  /** Starts the enabled units that do not run, and stops those whose file is gone. */
  async reload(): Promise<void> {
    const units = (await this.#deps.units()).filter(({ isEnabled }) => isEnabled);
    for (const name of [...this.#services.keys()].filter((one) => !units.some((unit) => unit.name === one)))
      await this.#stop(name);
    for (const { name } of inOrder(units)) {
      if (this.#services.has(name)) continue;
      const stop = new AbortController();
      this.#services.set(name, { stop, done: this.#keep(name, stop.signal) });
    }
  }

  /** Stops all services, those that were started last first. */
  async end(): Promise<void> {
    for (const name of [...this.#services.keys()].reverse()) await this.#stop(name);
  }

  async #stop(name: string): Promise<void> {
    const service = this.#services.get(name);
    this.#services.delete(name);
    service?.stop.abort();
    await service?.done;
  }

  async #keep(name: string, signal: AbortSignal): Promise<void> {
    const { clock, tell } = this.#deps;
    for (let quick = 0; !signal.aborted; ) {
      const startedMs = clock.now();
      const { end, unit } = await this.#runOnce(name, signal);
      if (signal.aborted) return;
      const isOver = unit?.restart === 'no' || (unit?.restart === 'on-failure' && end?.code === 0);
      tell(
        `${name}.service: ${end === undefined ? 'could not be started' : describe(end)}${isOver ? '' : '; starting it again'}`,
      );
      if (isOver) return;
      quick = clock.now() - startedMs < steadyMs ? quick + 1 : 0;
      await sleep(clock, Math.min((unit?.restartMs ?? 1000) * 2 ** Math.max(0, quick - 1), longestDelayMs), signal);
    }
  }

  /** The unit is read at each start: a changed file counts from then on. */
  async #runOnce(name: string, signal: AbortSignal): Promise<{ end?: ServiceEnd; unit?: Unit | undefined }> {
    const { start, units, logFile, clock, tell, env } = this.#deps;
    let unit: Unit | undefined;
    try {
      unit = (await units()).find((one) => one.name === name);
      if (unit === undefined) return {};
      const running = await start({
        argv: unit.argv,
        env: { ...env, ...unit.env },
        cwd: unit.workingDirectory,
        logFile: logFile(name),
      });
      tell(`${name}.service: started, pid ${running.pid}`);
      if (unit.ignored.length > 0) tell(`${name}.service: not heeded here: ${unit.ignored.join(', ')}`);
      const stop = (): void => running.kill('SIGTERM');
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      const end = await this.#untilEnd(running, unit, signal);
      signal.removeEventListener('abort', stop);
      return { end, unit };
    } catch (error) {
      tell(`${name}.service: ${errorText(error)}`);
      await sleep(clock, 0, signal);
      return { unit };
    }
  }

  async #untilEnd(running: ServiceProcess, unit: Unit, signal: AbortSignal): Promise<ServiceEnd> {
    await Promise.race([running.ended, untilAborted(signal)]);
    if (signal.aborted && !(await within(this.#deps.clock, unit.stopMs, running.ended))) running.kill('SIGKILL');
    return running.ended;
  }
}

const describe = ({ code, signal }: ServiceEnd): string => (signal === null ? `ended with status ${code}` : `ended by ${signal}`);

/** Those that others come after, first; what names itself in a circle keeps its place. Pure. */
export function inOrder(units: readonly Unit[]): Unit[] {
  const sorted: Unit[] = [];
  const visit = (unit: Unit, path: readonly string[]): void => {
    if (sorted.includes(unit) || path.includes(unit.name)) return;
    for (const name of unit.after) {
      const before = units.find((one) => one.name === name);
      if (before !== undefined) visit(before, [...path, unit.name]);
    }
    sorted.push(unit);
  };
  for (const unit of units) visit(unit, []);
  return sorted;
}
