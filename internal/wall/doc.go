// Package wall is the second wall between accounts: PostgreSQL's own row-level security.
//
// The first wall is the program's: every statement names the account. The second one holds when a statement does not, because
// of a mistake: the program works as a role that owns nothing and that the policies of every table show the rows of one
// account only, the one that the transaction has said it is for. A transaction that has said nothing sees nothing.
//
//   - The owner of the tables migrates, and does nothing else. FORCE makes the policies hold for it as well: it is a member of
//     the roles below, and sees all rows only in a session that says so (AcrossAccounts), which only a migration does.
//   - dossier_app is what the program works as. It has no right to change or delete what is append-only.
//   - dossier_system is what the program becomes for a single transaction that cannot be of one account: who a key belongs to
//     before that is known, sweeping and pruning, the heads of the event logs. It has rights on the tables that this needs,
//     and the policies let it pass when the transaction also says so.
//
// Nobody logs in as either role: the role that logs in is a member of both. The package knows PostgreSQL, the names of the
// tables and who may do what with them, and nothing of what is in them.
package wall
