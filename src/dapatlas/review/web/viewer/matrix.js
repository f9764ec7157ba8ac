// Affine 4×4 matrices as nested rows, as in the server's JSON: world = matrix · (i, j, k, 1).

export const IDENTITY = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 0, 1, 0],
  [0, 0, 0, 1],
];

export function times(a, b) {
  return a.map((row) => b[0].map((_, column) => row.reduce((sum, value, k) => sum + value * b[k][column], 0)));
}

export function applied(matrix, [x, y, z]) {
  return [0, 1, 2].map((row) => matrix[row][0] * x + matrix[row][1] * y + matrix[row][2] * z + matrix[row][3]);
}

/** A matrix that scales each axis and then shifts along it. */
export function scaling([a, b, c], [x, y, z] = [0, 0, 0]) {
  return [
    [a, 0, 0, x],
    [0, b, 0, y],
    [0, 0, c, z],
    [0, 0, 0, 1],
  ];
}

/** The inverse of an affine matrix. */
export function inverse(m) {
  const cofactor = (r, c) => {
    const [r1, r2] = [(r + 1) % 3, (r + 2) % 3];
    const [c1, c2] = [(c + 1) % 3, (c + 2) % 3];
    return m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1];
  };
  const determinant = m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
  if (!determinant) throw new Error("This grid has no volume: its affine cannot be inverted.");
  const turned = [0, 1, 2].map((r) => [0, 1, 2].map((c) => cofactor(c, r) / determinant));
  const shift = turned.map((row) => -(row[0] * m[0][3] + row[1] * m[1][3] + row[2] * m[2][3]));
  return [...turned.map((row, r) => [...row, shift[r]]), [0, 0, 0, 1]];
}

/** Rows of a matrix that WebGL libraries keep column after column. */
export function fromColumns(flat) {
  return [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => flat[4 * column + row]));
}
