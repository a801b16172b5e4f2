/** The components that the program can be, by upstream's names. Each is loaded only when it is asked for. */
import type { Component } from './component.ts';

/** What loads each. */
export const components: Readonly<Record<string, () => Promise<Component>>> = {
  'kube-apiserver': async () => (await import('./kube-apiserver.ts')).kubeApiserver,
  'kube-controller-manager': async () => (await import('./kube-controller-manager.ts')).kubeControllerManager,
  kubelet: async () => (await import('./kubelet.ts')).kubelet,
  'kube-proxy': async () => (await import('./kube-proxy.ts')).kubeProxy,
  'kube-scheduler': async () => (await import('./kube-scheduler.ts')).kubeScheduler,
};

/** Parts of a node that upstream leaves to others: only commands of `tinker`, for DaemonSets. */
const tinkerComponents: Readonly<Record<string, () => Promise<Component>>> = {
  network: async () => (await import('./node-network.ts')).network,
  dns: async () => (await import('./node-network.ts')).dns,
};

/** By which name the program was called, and with what. */
export interface Call {
  /** As the process is called. */
  title: string;
  load(): Promise<Component>;
  argv: readonly string[];
}

/**
 * The component of a call: by the name of the program (a link), or by its first argument (`tinker kube-scheduler …`). Undefined: a command
 * of `tinker`. Pure.
 * @param name the program's name, with or without its folder @param argv what follows it
 */
export function calledComponent(name: string, argv: readonly string[]): Call | undefined {
  const called = name.slice(name.lastIndexOf('/') + 1);
  const byName = Object.hasOwn(components, called) ? components[called] : undefined;
  if (byName !== undefined) return { title: called, load: byName, argv };
  const [first = '', ...rest] = argv;
  const byArgument = Object.hasOwn(components, first) ? components[first] : undefined;
  if (byArgument !== undefined) return { title: first, load: byArgument, argv: rest };
  const ours = Object.hasOwn(tinkerComponents, first) ? tinkerComponents[first] : undefined;
  return ours === undefined ? undefined : { title: `tinker ${first}`, load: ours, argv: rest };
}
