<#
.SYNOPSIS
Lets the next start begin afresh: archives the night, removes the Codex login and the link to the data.
.DESCRIPTION
Refuses while a loop or a training lives. Says what goes, with sizes, and does not ask. Data, sealed test rows, your
configuration and your training repository with its runs are never touched.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER KeepCodexLogin
Leaves .llm_loop\codex_home as it is.
.PARAMETER KeepDataLink
Leaves the link data in the training repository.
.PARAMETER NoArchive
Removes the night instead of moving it to .llm_loop_archive.
.PARAMETER Force
Goes ahead where the state or the configuration cannot be read, never beside what lives. -WhatIf wins over it.
.EXAMPLE
.\scripts\clean_fresh.ps1 -KeepCodexLogin -KeepDataLink
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false, SupportsShouldProcess)]
param(
    [string]$WorkspaceRoot = '',
    [switch]$KeepCodexLogin, [switch]$KeepDataLink,
    [switch]$NoArchive, [switch]$Force
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'clean')
if ($KeepCodexLogin) { $cli += '--keep-codex-login' }
if ($KeepDataLink) { $cli += '--keep-data-link' }
if ($NoArchive) { $cli += '--no-archive' }
if ($Force) { $cli += '--force' }
# -WhatIf shows what the loop would do, with sizes; the loop itself then changes nothing
if ($WhatIfPreference) { $cli += '--what-if' }
if ($WhatIfPreference -or $PSCmdlet.ShouldProcess($WorkspaceRoot, 'Begin afresh')) {
    Invoke-Bootstrap @cli
    exit $LASTEXITCODE
}
