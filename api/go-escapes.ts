/** Characters that Go's `strconv.Quote` writes as a backslash and a letter, with what it writes. Source: pkg.go.dev/strconv (Quote). */
export const goEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};
