const { parser } = require(PACKAGE);
const texts = require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
const whole = (text) => {
  let errors = 0;
  parser.parse(text).iterate({ enter: (node) => { errors += node.type.isError ? 1 : 0; } });
  return errors === 0;
};
console.log(texts.map((text) => (whole(text) ? '1' : '0')).join(''));
