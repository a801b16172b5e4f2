/** The components that the program can be, by upstream's names. Each is loaded only when it is asked for. */
import type { Component } from './component.ts';

/** What loads each. */
export const components: Readonly<Record<string, () => Promise<Component>>> = {
  'kube-apiserver': async () => (await import('./kube-apiserver.ts')).kubeApiserver,
  'kube-controller-manager': async () => (await import('./kube-controller-manager.ts')).kubeControllerManager,
  'kube-scheduler': async () => (await import('./kube-scheduler.ts')).kubeScheduler,
};

/** By which name the program was called, and with what. */
export interface Call {
  component: string;
  argv: readonly string[];
}

/**
 * The component of a call: by the name of the program (a link), or by its first argument (`tinker kube-scheduler …`). Undefined: a command
 * of `tinker`. Pure.
 * @param name the program's name, with or without its folder @param argv what follows it
 */
export function calledComponent(name: string, argv: readonly string[]): Call | undefined {
  const called = name.slice(name.lastIndexOf('/') + 1);
  if (Object.hasOwn(components, called)) return { component: called, argv };
  const [first = '', ...rest] = argv;
  return Object.hasOwn(components, first) ? { component: first, argv: rest } : undefined;
}
