/** Named formats: `format.dns1123Label().validate(name)`. Source: apiserver `pkg/cel/library/format.go`; kube-openapi `strfmt`. */
import {
  isDns1035Label,
  isDns1123Label,
  isDns1123Subdomain,
  isQualifiedName,
  isValidLabelValue,
  type NameCheck,
  nameIsDnsLabel,
  nameIsDnsSubdomain,
} from '../../names.ts';
import { define, type Library } from '../declarations.ts';
import { regexFactor, traversalFactor } from '../runtime-cost.ts';
import { opaqueType } from '../types.ts';
import { CelError, NativeList, Opaque, Optional, sizeOf, type Value } from '../values.ts';
import { parseTimestamp } from './time-range.ts';
import { parseUrl } from './url.ts';

class Format extends Opaque {
  static readonly type = opaqueType('kubernetes.NamedFormat');
  readonly typeName = Format.type.name;
  readonly name: string;
  readonly problems: (text: string) => string[];
  /** Size of the regular expression that upstream uses for the format. */
  readonly regexSize: number;
  constructor(name: string, problems: (text: string) => string[], regexSize: number) {
    super();
    this.name = name;
    this.problems = problems;
    this.regexSize = regexSize;
  }
  override equals(other: Opaque): boolean {
    return other instanceof Format && other.name === this.name;
  }
}

const asPrefix =
  (check: NameCheck) =>
  (text: string): string[] =>
    check(text, true);

const holds =
  (check: (text: string) => boolean, problem: string) =>
  (text: string): string[] =>
    check(text) ? [] : [problem];

function uriProblems(text: string): string[] {
  try {
    parseUrl(text);
    return [];
  } catch (error) {
    if (error instanceof CelError) return [error.message];
    throw error;
  }
}

function isDateTime(text: string): boolean {
  try {
    parseTimestamp(text);
    return true;
  } catch (error) {
    if (error instanceof CelError) return false;
    throw error;
  }
}

const isUuid = (text: string): boolean => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text);
const isBase64 = (text: string): boolean =>
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/.test(text);
const isDate = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text) && isDateTime(`${text}T00:00:00Z`);

/** The length of strfmt's expressions. */
const uuidLength = 82;
const dateTimeLength = 89;

const formats: ReadonlyMap<string, Format> = new Map(
  (
    [
      ['dns1123Label', 'DNS1123Label', isDns1123Label, 30],
      ['dns1123Subdomain', 'DNS1123Subdomain', isDns1123Subdomain, 60],
      ['dns1035Label', 'DNS1035Label', isDns1035Label, 30],
      ['qualifiedName', 'QualifiedName', isQualifiedName, 60],
      ['dns1123LabelPrefix', 'DNS1123LabelPrefix', asPrefix(nameIsDnsLabel), 30],
      ['dns1123SubdomainPrefix', 'DNS1123SubdomainPrefix', asPrefix(nameIsDnsSubdomain), 60],
      ['dns1035LabelPrefix', 'DNS1035LabelPrefix', (text) => isDns1035Label(text.replace(/-$/, 'a')), 30],
      ['labelValue', 'LabelValue', isValidLabelValue, 40],
      ['uri', 'URI', uriProblems, 1103],
      ['uuid', 'uuid', holds(isUuid, 'does not match the UUID format'), uuidLength],
      ['byte', 'byte', holds(isBase64, 'invalid base64'), 84],
      ['date', 'date', holds(isDate, 'invalid date'), dateTimeLength],
      ['datetime', 'datetime', holds(isDateTime, 'invalid datetime'), dateTimeLength],
    ] as const satisfies readonly (readonly [string, string, (text: string) => string[], number])[]
  ).map(([key, name, problems, size]) => [key, new Format(name, problems, size)]),
);

function validate(format: Format, text: string): Value {
  const problems = format.problems(text);
  return problems.length === 0 ? Optional.none : Optional.of(new NativeList(problems));
}

function namedFormat(name: string): Value {
  const format = formats.get(name);
  return format === undefined ? Optional.none : Optional.of(format);
}

const named = { Format: Format.type };

/** `format`: checks of names and other well-known texts. Source: apiserver `pkg/cel/library/format.go`. */
export const formatLibrary: Library = [
  define('.validate(Format, string): optional(list(string))', validate, {
    id: 'format-validate',
    named,
    cost: ([format, text]) =>
      Math.ceil((1 + sizeOf(text as Value)) * traversalFactor) * Math.ceil((format as Format).regexSize * regexFactor),
  }),
  define('format.named(string): optional(Format)', namedFormat, { named }),
  ...[...formats].map(([name, format]) => define(`format.${name}(): Format`, () => format, { named })),
];
