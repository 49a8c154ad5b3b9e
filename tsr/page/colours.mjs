// Numbers from 0 to 1 -> colours, so that equal steps look equal.
//
// The scales are paths through OKLab, a space of colours in which distance is difference as people
// see it. Each path is walked at constant speed: its 256 colours are equally far from each other.

const STEPS = 256;
const FINE = 1024; // points that the length of a path is measured by

/** Colours of what is no number, as red, green and blue; the legend of the page names them. */
export const MARKED = { nan: [255, 0, 200], positive: [255, 138, 0], negative: [96, 240, 40] };

/** Dark violet to bright yellow, over blue and green: for data of one sign. */
export function sequential() {
  return scale((t) => oklch(0.22 + 0.7 * t, 0.12 + 0.04 * t - 0.055 * Math.sin(Math.PI * t), 300 - 195 * t));
}

/** Blue over near-white to red: for data around 0, which is in the middle. */
export function diverging() {
  return scale((t) => {
    const far = Math.abs(2 * t - 1);
    return oklch(0.96 - 0.56 * far, 0.005 + 0.165 * Math.sin(Math.PI / 2 * Math.min(1, 1.2 * far)), t < 0.5 ? 255 : 29);
  });
}

/** 256 colours in a row, three bytes each, of a path from 0 to 1. */
function scale(path) {
  const points = Array.from({ length: FINE + 1 }, (_, index) => inGamut(path(index / FINE)));
  const lengths = [0];
  for (let at = 1; at <= FINE; at++) lengths.push(lengths[at - 1] + distance(points[at - 1], points[at]));
  const colours = new Uint8ClampedArray(3 * STEPS);
  for (let step = 0, at = 0; step < STEPS; step++) {
    while (at < FINE && lengths[at] < lengths[FINE] * step / (STEPS - 1)) at++;
    colours.set(linear(points[at]).map(encoded), 3 * step);
  }
  return colours;
}

function oklch(lightness, chroma, hue) {
  const angle = hue * Math.PI / 180;
  return [lightness, chroma * Math.cos(angle), chroma * Math.sin(angle)];
}

/** Take away as little chroma as it needs for a screen to show the colour. */
function inGamut([lightness, a, b]) {
  const withShare = (share) => [lightness, share * a, share * b];
  const isShown = (colour) => linear(colour).every((part) => part > -1e-4 && part < 1.0001);
  if (isShown([lightness, a, b])) return [lightness, a, b];
  let [least, most] = [0, 1];
  for (let round = 0; round < 12; round++) {
    const middle = (least + most) / 2;
    if (isShown(withShare(middle))) least = middle;
    else most = middle;
  }
  return withShare(least);
}

function distance(one, other) {
  return Math.hypot(...one.map((part, axis) => part - other[axis]));
}

/** OKLab to linear sRGB; the numbers are those of Björn Ottosson, who published the space. */
function linear([lightness, a, b]) {
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

/** A part of linear sRGB as a byte. */
function encoded(part) {
  return 255 * (part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055);
}
