<#
.SYNOPSIS
Makes both Python environments, with the packages that repairs of a night may need.
.DESCRIPTION
As install_tools.ps1, and the packages of the auto_repair maps of the configuration besides, so that a repair finds
them there. A second call does only what is missing.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script. The environments themselves always lie
in the folder above this script.
.PARAMETER SkipCuda
Installs the torch build for the CPU. That is remembered; bootstrap.py --torch-index auto chooses by the machine again.
.PARAMETER SkipAutoRepairExtras
Leaves out the packages of the auto_repair maps.
.EXAMPLE
.\scripts\bootstrap_venvs.ps1 -SkipAutoRepairExtras
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [switch]$SkipCuda,
    [switch]$SkipAutoRepairExtras
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'install')
if ($SkipCuda) { $cli += '--torch-index=cpu' }
if (-not $SkipAutoRepairExtras) { $cli += '--repair-extras' }
Invoke-Bootstrap @cli
exit $LASTEXITCODE
