/** What the commands of upstream's components have in common: from the command line to a daemon. */
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { type DaemonContext, runDaemon } from '../daemon.ts';
import { kubernetesVersion } from '../version.ts';
import { FlagError, type FlagSet, type ParsedFlags } from './flag-set.ts';

/** A component that the program can be, by upstream's name. */
export interface Component {
  name: string;
  flags: FlagSet<object>;
  /** Runs until it is told to stop. @throws Error when it cannot start */
  run(argv: readonly string[]): Promise<void>;
}

/** What a component runs with. */
export interface ComponentContext extends DaemonContext {
  /** What its `/metrics` shows. */
  registry: Registry;
}

interface Definition<F extends object, S> {
  name: string;
  flags: FlagSet<F>;
  /** Looks at flags and files, before anything is begun. @throws Error that names the flag */
  settle(parsed: ParsedFlags<F>): Promise<S> | S;
  /** Where files that outlive the process go; absent: none does. */
  folder?(settings: S): string;
  run(settings: S, context: ComponentContext): Promise<void>;
}

/** Upstream's `-v`: from 4 on, what helps to find errors. */
const levelOf = (v: number): string => (v >= 4 ? 'debug' : 'info');

/** Makes the command of a component. */
export function defineComponent<F extends object, S>(definition: Definition<F, S>): Component {
  const { name, flags, settle, run } = definition;
  return {
    name,
    flags: flags as FlagSet<object>,
    async run(argv) {
      const parsed = flags.parse(argv);
      if (parsed.asked === 'help')
        return void process.stdout.write(flags.help(process.stdout.isTTY ? process.stdout.columns : 0));
      if (parsed.asked === 'version') return void process.stdout.write(`Kubernetes ${kubernetesVersion}\n`);
      const settings = await settle(parsed);
      await runDaemon(name, levelOf(parsed.verbosity), definition.folder?.(settings), async (context) => {
        for (const warning of parsed.warnings) context.log.warn(warning);
        await run(settings, { ...context, registry: processRegistry(context.metrics) });
      });
    },
  };
}

/** A registry with what every process measures of itself. */
function processRegistry(metrics: readonly Metric[]): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const metric of metrics) registry.registerMetric(metric);
  return registry;
}

/** Runs a component and tells what was wrong with the call, as upstream does. @returns the exit status; undefined: it runs or has run */
export async function runComponent(component: Component, argv: readonly string[]): Promise<number | undefined> {
  try {
    await component.run(argv);
    return undefined;
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    process.stderr.write(`Error: ${error.message}\nSee '${component.name} --help' for usage.\n`);
    return 1;
  }
}
