/** The extenders of a KubeSchedulerConfiguration: fields, defaults and checks. Pure but for the files of TLS. Source: upstream `apis/config` (Extender, validateExtenders). */
import type { Shape } from '#api/config-shape.ts';
import { parseDuration } from '#api/duration.ts';
import { errorText } from '#api/error-text.ts';
import { type FieldError, invalidValue } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';

/** How it is written. */
export interface WrittenExtender {
  urlPrefix?: string;
  filterVerb?: string;
  preemptVerb?: string;
  prioritizeVerb?: string;
  weight?: number;
  bindVerb?: string;
  enableHTTPS?: boolean;
  tlsConfig?: WrittenTls;
  /** Go's form. Default 5 s. */
  httpTimeout?: string;
  nodeCacheCapable?: boolean;
  managedResources?: { name?: string; ignoredByScheduler?: boolean }[];
  ignorable?: boolean;
}

interface WrittenTls {
  insecure?: boolean;
  serverName?: string;
  certFile?: string;
  keyFile?: string;
  caFile?: string;
  certData?: string;
  keyData?: string;
  caData?: string;
}

/** A service that has a say in the choice of nodes. */
export interface ExtenderConfiguration {
  urlPrefix: string;
  /** Absent: the extender does no such thing. */
  filterVerb: string | undefined;
  preemptVerb: string | undefined;
  prioritizeVerb: string | undefined;
  bindVerb: string | undefined;
  /** The factor of its scores. */
  weight: number;
  timeoutMs: number;
  /** It is told names of nodes only, for it knows them itself. */
  nodeCacheCapable: boolean;
  /** It is asked about pods that ask for one of these; empty: about all. */
  managedResources: ReadonlySet<string>;
  /** Pods are scheduled without it when it fails. */
  ignorable: boolean;
  /** PEM, where given. */
  tls: { insecure: boolean; serverName?: string; ca?: string; cert?: string; key?: string };
}

const bool = 'boolean';
const text = 'string';

/** The fields. */
export const extenderShape: Shape = {
  fields: {
    urlPrefix: text,
    filterVerb: text,
    preemptVerb: text,
    prioritizeVerb: text,
    weight: 'number',
    bindVerb: text,
    enableHTTPS: bool,
    tlsConfig: {
      fields: {
        insecure: bool,
        serverName: text,
        certFile: text,
        keyFile: text,
        caFile: text,
        certData: text,
        keyData: text,
        caData: text,
      },
    },
    httpTimeout: text,
    nodeCacheCapable: bool,
    managedResources: { list: { fields: { name: text, ignoredByScheduler: bool } } },
    ignorable: bool,
  },
};

/** What is wrong with them. */
export function extenderProblems(extenders: readonly WrittenExtender[]): FieldError[] {
  const errors: FieldError[] = [];
  const managed = new Set<string>();
  for (const [index, { prioritizeVerb = '', weight = 0, httpTimeout, managedResources = [] }] of extenders.entries()) {
    const path = `extenders[${index}]`;
    if (prioritizeVerb !== '' && weight <= 0)
      errors.push(invalidValue(`${path}.weight`, weight, 'must have a positive weight applied to it'));
    if (httpTimeout !== undefined) errors.push(...durationProblems(`${path}.httpTimeout`, httpTimeout));
    for (const [position, { name = '' }] of managedResources.entries()) {
      const at = `${path}.managedResources[${position}].name`;
      const malformed = isQualifiedName(name).map((message) => invalidValue(at, name, message));
      errors.push(...malformed);
      if (malformed.length === 0 && !isExtendedResource(name))
        errors.push(invalidValue(at, name, 'is an invalid extended resource name'));
      if (managed.has(name)) errors.push(invalidValue(at, name, 'duplicate extender managed resource name'));
      managed.add(name);
    }
  }
  const binders = extenders.filter(({ bindVerb = '' }) => bindVerb !== '').length;
  if (binders > 1)
    errors.push(
      invalidValue('extenders', `found ${binders} extenders implementing bind`, 'only one extender can implement bind'),
    );
  return errors;
}

function durationProblems(path: string, value: string): FieldError[] {
  try {
    parseDuration(value);
    return [];
  } catch (error) {
    return [invalidValue(path, value, errorText(error))];
  }
}

/** Source: core/v1/helper IsExtendedResourceName. */
const isExtendedResource = (name: string): boolean =>
  name.includes('/') && !name.slice(0, name.indexOf('/')).endsWith('kubernetes.io') && !name.startsWith('requests.');

/** The extender with its defaults. @param read a file's text @throws Error a file of TLS cannot be read */
export function completeExtender(written: WrittenExtender, read: (path: string) => string): ExtenderConfiguration {
  const { urlPrefix = '', enableHTTPS = false, tlsConfig = {}, httpTimeout, managedResources = [] } = written;
  const pem = (data: string | undefined, file: string | undefined): string | undefined => {
    if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString('utf8');
    return file === undefined || file === '' ? undefined : read(file);
  };
  const ca = pem(tlsConfig.caData, tlsConfig.caFile);
  const cert = pem(tlsConfig.certData, tlsConfig.certFile);
  const key = pem(tlsConfig.keyData, tlsConfig.keyFile);
  const verb = (name: string | undefined): string | undefined => (name === '' ? undefined : name);
  const timeoutMs = httpTimeout === undefined ? 0 : parseDuration(httpTimeout);
  return {
    urlPrefix,
    filterVerb: verb(written.filterVerb),
    preemptVerb: verb(written.preemptVerb),
    prioritizeVerb: verb(written.prioritizeVerb),
    bindVerb: verb(written.bindVerb),
    weight: written.weight ?? 0,
    timeoutMs: timeoutMs > 0 ? timeoutMs : 5000,
    nodeCacheCapable: written.nodeCacheCapable ?? false,
    managedResources: new Set(managedResources.map(({ name = '' }) => name)),
    ignorable: written.ignorable ?? false,
    tls: {
      // As upstream has it: with HTTPS asked for and no authority, nothing is verified.
      insecure: tlsConfig.insecure === true || (enableHTTPS && ca === undefined),
      ...(tlsConfig.serverName === undefined ? {} : { serverName: tlsConfig.serverName }),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

/** The resources that extenders manage and that the filter NodeResourcesFit leaves to them. */
export const leftToExtenders = (extenders: readonly WrittenExtender[]): string[] =>
  extenders.flatMap(({ managedResources = [] }) =>
    managedResources.flatMap(({ name = '', ignoredByScheduler = false }) => (ignoredByScheduler ? [name] : [])),
  );
