/** Probes and lifecycle hooks. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isHttpHeaderName } from '#api/names.ts';
import type { GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, PodOS, Probe } from '#api/types.generated.ts';
import { validateNonNegative } from '../paths.ts';
import { validatePortNumber, validatePortNumberOrName } from './ports.ts';

/** What a probe or a hook may do: exactly one of these. */
type Handler = LifecycleHandler & { grpc?: GRPCAction | undefined };

const numericFields = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const;

/**
 * Problems of a probe: exactly one handler, times in seconds. Source: upstream `pkg/apis/core/validation` (validateProbe).
 */
export function validateProbe(
  kind: 'livenessProbe' | 'readinessProbe' | 'startupProbe',
  probe: Probe | undefined,
  gracePeriodSeconds: number | undefined,
  path: string,
): FieldError[] {
  if (probe === undefined) return [];
  const { exec, httpGet, tcpSocket, grpc, terminationGracePeriodSeconds: grace } = probe;
  const errors = validateHandler({ exec, httpGet, tcpSocket, grpc }, gracePeriodSeconds, path);
  for (const field of numericFields) errors.push(...validateNonNegative(probe[field], `${path}.${field}`));
  if (grace !== undefined && grace <= 0)
    errors.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
  if (kind === 'readinessProbe') {
    if (grace !== undefined) {
      errors.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'));
    }
  } else if (probe.successThreshold !== 1) {
    errors.push(invalidValue(`${path}.successThreshold`, probe.successThreshold ?? 0, 'must be 1'));
  }
  return errors;
}

/**
 * Problems of the hooks postStart and preStop, and of the stop signal. Source: upstream `pkg/apis/core/validation`
 * (validateLifecycle).
 */
export function validateLifecycle(
  lifecycle: Lifecycle,
  gracePeriodSeconds: number | undefined,
  os: PodOS | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const hook of ['postStart', 'preStop'] as const) {
    const handler = lifecycle[hook];
    if (handler === undefined) continue;
    const { exec, httpGet, tcpSocket, sleep } = handler;
    errors.push(...validateHandler({ exec, httpGet, tcpSocket, sleep }, gracePeriodSeconds, `${path}.${hook}`));
  }
  if (lifecycle.stopSignal !== undefined) errors.push(...validateStopSignal(lifecycle.stopSignal, os, `${path}.stopSignal`));
  return errors;
}

function validateHandler(handler: Handler, gracePeriodSeconds: number | undefined, path: string): FieldError[] {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  const checks: [name: string, check: (() => FieldError[]) | undefined][] = [
    ['exec', exec && (() => ((exec.command ?? []).length === 0 ? [required(`${path}.exec.command`)] : []))],
    ['httpGet', httpGet && (() => validateHttpGet(httpGet, `${path}.httpGet`))],
    ['tcpSocket', tcpSocket && (() => validatePortNumberOrName(tcpSocket.port, `${path}.tcpSocket.port`))],
    ['grpc', grpc && (() => validatePortNumber(grpc.port ?? 0, `${path}.grpc.port`))],
    ['sleep', sleep && (() => validateSleep(sleep.seconds ?? 0, gracePeriodSeconds, `${path}.sleep`))],
  ];
  const given = checks.filter(([, check]) => check !== undefined);
  if (given.length === 0) return [required(path, 'must specify a handler type')];
  return given.flatMap(([name, check], index) =>
    index === 0 && check !== undefined
      ? check()
      : [forbiddenField(`${path}.${name}`, 'may not specify more than 1 handler type')],
  );
}

function validateHttpGet({ path: urlPath, port, scheme = '', httpHeaders = [] }: HTTPGetAction, path: string): FieldError[] {
  const errors: FieldError[] = urlPath ? [] : [required(`${path}.path`)];
  errors.push(...validatePortNumberOrName(port, `${path}.port`));
  if (scheme !== 'HTTP' && scheme !== 'HTTPS') errors.push(notSupported(`${path}.scheme`, scheme, ['HTTP', 'HTTPS']));
  for (const { name } of httpHeaders)
    errors.push(...isHttpHeaderName(name).map((text) => invalidValue(`${path}.httpHeaders`, name, text)));
  return errors;
}

function validateSleep(seconds: number, gracePeriodSeconds: number | undefined, path: string): FieldError[] {
  if (gracePeriodSeconds === undefined || (seconds >= 0 && seconds <= gracePeriodSeconds)) return [];
  const text = `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriodSeconds})`;
  return [invalidValue(path, seconds, text)];
}

const plainSignals =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ';
const realTimeSignals = [
  'SIGRTMIN',
  ...Array.from({ length: 15 }, (_, index) => `SIGRTMIN+${index + 1}`),
  ...Array.from({ length: 14 }, (_, index) => `SIGRTMAX-${14 - index}`),
  'SIGRTMAX',
];
const linuxSignals = [...plainSignals.split(' ').map((name) => `SIG${name}`), ...realTimeSignals].sort();

function validateStopSignal(signal: string, os: PodOS | undefined, path: string): FieldError[] {
  if (os === undefined) return [forbiddenField(path, 'may not be set for containers with empty `spec.os.name`')];
  const supported = os.name === 'windows' ? ['SIGKILL', 'SIGTERM'] : linuxSignals;
  return supported.includes(signal) ? [] : [notSupported(path, signal, supported)];
}
